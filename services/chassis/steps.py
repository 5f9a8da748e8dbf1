"""How many bytes a stream moves at a time: much while few are under way, little while there are many.

A step costs a handful of messages between threads however long it is, so that long ones are cheap: of 1 MiB they were
seen to take a sixth less processor time than of 512 KiB, of 64 KiB more than twice as much. But each stream holds some
steps of bytes, and for as long as its peer does not go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LARGEST = 1 << 20
"""Bytes of a step, at most: what fits into one chunk of a stream."""
SMALLEST = 64 << 10
"""Bytes of a step, at least."""
UPLOADS = 16 << 20
"""Bytes that the steps of all streams should have together, on their way in."""
DOWNLOADS = 8 << 20
"""The same on their way out, where each step is held several times while its reader does not read."""


class Steps:
    """Shared by the streams of a process that go the same way. For the event loop, not for threads."""

    def __init__(self, together: int) -> None:
        """`together`: `UPLOADS` or `DOWNLOADS`."""
        self._together = together
        self._streams = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Around a stream."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def size(self) -> int:
        """Bytes of the next step."""
        return step(self._streams, self._together)


def step(streams: int, together: int) -> int:
    """Bytes of a step while so many streams share them; a multiple of `SMALLEST`."""
    share = together // max(streams, 1)
    return min(max(share // SMALLEST * SMALLEST, SMALLEST), LARGEST)
