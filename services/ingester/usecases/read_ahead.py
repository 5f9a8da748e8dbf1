"""The beginning of a document, read before anybody is asked to take it: a small one has come whole by then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beginning:
    """What has come so far, as encoded chunk frames."""

    frames: Sequence[bytes]
    whole: bool
    """Nothing follows but the commit."""


async def read_ahead(chunks: AsyncIterator[bytes], most: int, *, declared: int | None) -> Beginning:
    """Take frames until they end, or make more than `most` bytes; none if more are `declared`, or `most` is 0."""
    frames: list[bytes] = []
    length = 0
    if not most or (declared or 0) > most:
        return Beginning(frames, whole=False)
    async for frame in chunks:
        frames.append(frame)
        length += len(frame)
        if length > most:
            return Beginning(frames, whole=False)
    return Beginning(frames, whole=True)


async def continued(beginning: Beginning, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All frames: those that have come, then those that are still to come."""
    for frame in beginning.frames:
        yield frame
    async for frame in rest:
        yield frame
