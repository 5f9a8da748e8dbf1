"""Small files that come at the same time are stored together: whoever comes while a batch is under way is in the next.

Nobody waits for others to come: a file that comes alone is a batch of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.storage.store.charge import Charge
from services.storage.store.metrics import BATCH
from services.storage.store.pool import Pool, to_its_end
from services.storage.store.small import SmallFile

AT_ONCE = 2
"""Batches: while one waits for the disk, the next one can be written."""
FILES = 32
BYTES = 4 << 20
"""Of content in a batch, but for a single file: the small ones should not wait for megabytes of others."""


@dataclass(eq=False, slots=True)
class _Offer:
    """Files that came together, and are answered together."""

    left: int
    outcome: asyncio.Future[None]


_Waiting = tuple[SmallFile, _Offer]


class Batches:
    """Gathers, and hands over to a thread."""

    def __init__(self, charge: Charge, writes: Pool) -> None:
        self._charge, self._writes = charge, writes
        self._waiting: list[_Waiting] = []
        self._running = 0

    async def store(self, files: Sequence[SmallFile]) -> None:
        """Returns when each says what became of it. Their locks are held meanwhile."""
        if not files:
            return
        offer = _Offer(len(files), asyncio.get_running_loop().create_future())
        self._waiting += [(file, offer) for file in files]
        self._start()
        await to_its_end(offer.outcome)

    def _start(self) -> None:
        while self._waiting and self._running < AT_ONCE:
            count = _fitting([file for file, _ in self._waiting])
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            self._running += 1
            BATCH.observe(count)
            job = self._writes.start(self._create, [file for file, _ in batch])
            job.add_done_callback(partial(self._ended, batch))

    def _create(self, files: Sequence[SmallFile]) -> None:
        self._charge.writing.batch.create(files)

    def _ended(self, batch: Sequence[_Waiting], job: asyncio.Future[None]) -> None:
        self._running -= 1
        failure = job.exception()
        for file, offer in batch:
            file.error = failure or file.error
            offer.left -= 1
            if not offer.left:
                offer.outcome.set_result(None)
        self._start()


def _fitting(files: Sequence[SmallFile]) -> int:
    """How many of the first ones make a batch: at least one."""
    length = 0
    for count, file in enumerate(files[:FILES]):
        length += len(file.content)
        if count and length > BYTES:
            return count
    return min(len(files), FILES)
