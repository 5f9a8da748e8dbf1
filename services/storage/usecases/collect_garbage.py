"""Garbage collection: write down what has expired, destroy what ended long enough ago."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import FileDamaged, FileDeleted, FileExpired, MetadataTooLarge, NotFound, StorageUnavailable
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Collected
from services.storage.domain.collecting import ENDED, Reading, destruction, doubt, expired
from services.storage.domain.modes import Operation
from services.storage.ports import Collections, Files
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate

UNREADABLE = 10
"""So many files in a row that the disk does not give: then it is the disk, and not one of its files."""

log = get_logger(__name__)


class CollectGarbage:
    """One pass at a time; see the laws in `domain/collecting.py`."""

    def __init__(
        self, *, gate: ModeGate, files: Files, collections: Collections, clock: Clock, finishing: Finishing,
        grace: timedelta,
    ) -> None:  # fmt: skip
        """`grace`: between the end of a file and its destruction."""
        self._gate, self._files, self._collections = gate, files, collections
        self._clock, self._finishing, self._grace = clock, finishing, grace
        self._before: Reading | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, *, confirm_clock: bool = False) -> Collected:
        """What was done. `confirm_clock`: somebody has looked at the clock, and it is right.

        Raises `ModeNotAllowed`, `StorageUnavailable` while the index is incomplete or the disk fails, `StorageFull`.
        """
        async with self._turn:
            self._gate.require(Operation.COLLECT)
            now = Reading(self._clock.now(), self._clock.monotonic())
            refused = "" if confirm_clock else await self._doubt(now)
            if refused:
                log.error("garbage is not collected until the clock is right or confirmed", reason=refused)
                return Collected(refused=refused)
            await self._finishing.run(self._collections.keep(now.wall))
            self._before = now
            return await self._pass(now.wall)

    def require_mode(self) -> None:
        """Raise `ModeNotAllowed` where the mode permits no collection."""
        self._gate.require(Operation.COLLECT)

    async def _doubt(self, now: Reading) -> str:
        try:
            written = await self._collections.last()
        except StorageUnavailable as error:
            return error.message
        # Before the first pass `mode.json`, which is as old as the element or younger, is the witness.
        return doubt(now, before=self._before, written=written or self._gate.state.changed_at)

    async def _pass(self, now: datetime) -> Collected:
        done, unreadable = Collected(), 0
        async for file_id in self._files.ended(now):
            try:
                await self._finishing.run(self._collect(file_id, now, done))
                unreadable = 0
            except (NotFound, FileDeleted, FileExpired):
                continue  # somebody else has seen to it
            except (FileDamaged, MetadataTooLarge):
                done.failed += 1  # its attributes cannot be trusted, or were made by hand: nothing follows from them
            except StorageUnavailable:
                unreadable += 1
                if not self._files.writable or unreadable == UNREADABLE:
                    raise
                done.failed += 1
        if done.expired or done.destroyed or done.failed:
            log.info("garbage was collected", expired=done.expired, destroyed=done.destroyed, freed=done.freed,
                     failed=done.failed)  # fmt: skip
        return done

    async def _collect(self, file_id: FileId, now: datetime, done: Collected) -> None:
        async with self._gate.held(Operation.COLLECT):
            if (await self._files.find(file_id)).attributes.status not in ENDED:
                after = await self._files.change(file_id, lambda document: expired(document, now))
                done.expired += after.status is FileStatus.EXPIRED
            line = await self._files.destroy(file_id, lambda document: destruction(document, now, self._grace))
        if line is not None:
            done.destroyed += 1
            done.freed += line.size
            done.lag = max(done.lag, now - line.ended_at - self._grace)
