"""The end of the journal, for those who follow it: how far it is durable, the latest changes, who waits for more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from services.model.feed import Change
from services.storage.store.wal.records import Place

AT_HAND = 512
"""Changes kept in memory; whoever is further behind reads the journal. With 4 KiB of attributes each, a few MiB."""


@dataclass(frozen=True, slots=True)
class End:
    """How far the journal is durable, and known to the index."""

    place: Place
    offset: int
    """Of the byte behind the last frame that counts."""
    number: int
    """Of the last commit."""


class Tail:
    """Told by whoever writes the journal, in any thread; followed by others, who never keep it waiting."""

    def __init__(self, *, at_hand: int = AT_HAND) -> None:
        self._at_hand = at_hand
        self._end: End | None = None
        self._before = 0
        """Number of the last change that is no more at hand."""
        self._changes: deque[Change] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._lock = threading.Lock()

    @property
    def end(self) -> End | None:
        """None until the journal is begun, and where it cannot be."""
        return self._end

    def begin(self, end: End) -> None:
        """The journal goes on from here; what was before is not at hand."""
        self._end, self._before = end, end.number

    def publish(self, end: End, changes: Sequence[Change]) -> None:
        """These are durable now."""
        with self._lock:
            self._changes.extend(changes)
            self._end = end
            while len(self._changes) > self._at_hand:
                self._before = self._changes.popleft().number
            waiting, self._waiting = (self._waiting, set()) if changes else ((), self._waiting)
        for each in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                each.get_loop().call_soon_threadsafe(_wake, each)

    def after(self, number: int, most: int) -> list[Change] | None:
        """The next changes after one that was told; None if not all of them are at hand."""
        with self._lock:
            if number < self._before:
                return None
            first = bisect_right(self._changes, number, key=lambda change: change.number)
            return [self._changes[i] for i in range(first, min(first + most, len(self._changes)))]

    def has(self, number: int) -> bool:
        """Whether this is the number of a change at hand, or of the one before them."""
        with self._lock:
            return number == self._before or any(each.number == number for each in self._changes)

    async def newer(self, number: int, within: float) -> bool:
        """Wait until there is a change after `number`; False if none came within so many seconds."""
        woken = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._end is not None and self._end.number > number:
                return True
            self._waiting.add(woken)
        try:
            await asyncio.wait({woken}, timeout=within)
            return woken.done()
        finally:
            with self._lock:
                self._waiting.discard(woken)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
