"""Time comes in from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; passed to whoever needs it."""

    def now(self) -> datetime:
        """The wall time, UTC and aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""
        ...
