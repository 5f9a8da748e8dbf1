"""What passes over a storage element did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(slots=True)
class Collected:
    """A pass of garbage collection."""

    expired: int = 0
    """Files whose end was written down."""
    destroyed: int = 0
    freed: int = 0
    """Bytes of the files that were destroyed."""
    failed: int = 0
    """Files that could not be judged; they stay."""
    refused: str = ""
    """Why nothing was done at all; empty if the pass was made."""
    lag: timedelta = field(default=timedelta(0), compare=False)
    """For how long the one that waited longest had been due; known on the element only."""
