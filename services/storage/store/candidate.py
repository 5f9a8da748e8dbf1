"""A process's part in the leadership of its element: looking, claiming, beating, leaving."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from dataclasses import replace

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import StorageUnavailable
from services.storage.domain.election import Deposed, Leader, Lease
from services.storage.domain.modes import ModeState
from services.storage.store import leading
from services.storage.store.beat import read_leader, write_leader
from services.storage.store.charge import Writing
from services.storage.store.files import Parts
from services.storage.store.health import FULL, WriteHealth, reading
from services.storage.store.identity import ElementFile
from services.storage.store.leadership import Superseded, latest_epoch, try_lock
from services.storage.store.modefile import read_mode
from services.storage.store.options import Options, Replicated
from services.storage.store.pool import Pool, ended
from services.storage.store.refusal import ElementRefused

AT_LEAST = 1.0
"""Seconds that a beat may take, however late it comes: one who was only slow need not go."""
_GONE = frozenset({errno.ENOENT, errno.ESTALE})
"""The folder of the epoch was removed; on NFS perhaps by another host."""

log = get_logger(__name__)


class Candidate:
    """Fills `ports.Leadership`."""

    def __init__(
        self, parts: Parts, identity: ElementFile, options: Options, own: Replicated, clock: Clock, pool: Pool
    ) -> None:
        """`pool`: of few threads that nothing else waits for."""
        self._parts, self._identity, self._options, self._own = parts, identity, options, own
        self._clock, self._pool = clock, pool
        self._lease = Lease(own.patience.loss, clock.monotonic())
        self._lock: int | None = None
        self._leader: Leader | None = None
        """What we show of ourselves, from the claim on."""
        self._health = WriteHealth()
        self._writing: Writing | None = None
        self._beating: asyncio.Future[None] | None = None
        self._begun = 0.0
        """When that beat was begun."""
        self._closing: asyncio.Future[None] | None = None

    @property
    def leading(self) -> bool:
        return self._leader is not None

    @property
    def accepting(self) -> bool:
        return self._parts.charge.leading

    async def look(self) -> tuple[Leader | None, int]:
        return await self._pool.run(self._look)

    async def mode(self) -> ModeState | None:
        return await self._pool.run(self._mode)

    async def try_lock(self) -> bool:
        if self._lock is None:
            self._lock = await self._pool.run(self._try_lock)
        return self._lock is not None

    async def unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            await self._pool.run(self._parts.fs.close, lock)

    async def claim(self, epoch: int) -> None:
        if self._closing is not None and not self._closing.done():
            raise StorageUnavailable("the end of the leadership before is still waited for")
        now = self._clock.monotonic()
        try:
            await self._pool.run(leading.claim, self._parts, epoch, self._clock)
        except Superseded as error:
            raise Deposed(str(error)) from error
        except OSError as error:
            raise StorageUnavailable(f"epoch {epoch} cannot be claimed: {error}") from error
        self._lease = lease = Lease(self._own.patience.loss, now)
        self._health = WriteHealth(lambda: lease.left(self._clock.monotonic()) > 0)
        self._leader = Leader(epoch, self._own.host, self._own.port, self._clock.now(), 0)

    async def recover(self) -> ModeState:
        leader, charge = self._claimed, self._parts.charge
        charge.taking = True
        try:
            async with charge.index:
                self._writing = await self._pool.run(
                    leading.take_charge, self._parts, self._identity, self._options, self._clock, leader.epoch,
                    self._health,
                )  # fmt: skip
            mode = await self._pool.run(self._mode)
        except (OSError, ElementRefused) as error:
            raise StorageUnavailable(f"epoch {leader.epoch} cannot begin: {error}") from error
        if mode is None:
            raise StorageUnavailable("mode.json is gone")
        return mode

    def accept(self) -> None:
        assert self._writing is not None, "recovery has not ended"
        self._parts.charge.take(self._writing)

    async def beat(self) -> None:
        """One job at a time: the one that hangs is waited for, no second one is begun."""
        if self._beating is None or self._beating.done():
            leader, self._begun = self._claimed, self._clock.monotonic()
            self._leader = replace(leader, beat=leader.beat + 1, writable=self._health.writable)
            self._beating = self._pool.start(self._beat, self._leader)
        done, _ = await asyncio.wait({self._beating}, timeout=max(AT_LEAST, self._lease.left(self._clock.monotonic())))
        if not done:
            raise Deposed("no beat could be written in time")
        try:
            self._beating.result()
        except OSError as error:
            if error.errno in _GONE:
                raise Deposed("a later epoch has begun") from None
            if self._lease.left(self._clock.monotonic()) <= 0:
                raise Deposed(f"no beat could be written: {error}") from error
            raise StorageUnavailable(f"a beat could not be written: {error}") from error
        self._lease.renew(self._begun)

    async def leave(self, reason: str) -> None:
        self._health.depose(reason)
        self._parts.charge.leave()
        writing, self._writing, self._leader = self._writing, None, None
        if writing is not None:
            # What is under way fails at its next step. The journal's file is closed once nobody writes to it.
            self._closing = self._pool.start(writing.close)
        with contextlib.suppress(OSError):
            await self.unlock()

    async def close(self) -> None:
        """The process ends."""
        if self._leader is not None:
            await self.leave("the process ends")
        for job in filter(None, (self._beating, self._closing)):
            await ended(job)
        await self.unlock()

    @property
    def _claimed(self) -> Leader:
        assert self._leader is not None, "no epoch was claimed"
        return self._leader

    def _look(self) -> tuple[Leader | None, int]:
        with reading():
            return read_leader(self._parts.fs, self._parts.layout), latest_epoch(self._parts.fs, self._parts.layout)

    def _mode(self) -> ModeState | None:
        try:
            return read_mode(self._parts.fs, self._parts.layout)
        except ElementRefused as error:
            raise StorageUnavailable("the storage element's mode cannot be read") from error

    def _try_lock(self) -> int | None:
        with reading():
            return try_lock(self._parts.fs, self._parts.layout.lock)

    def _beat(self, leader: Leader) -> None:
        try:
            write_leader(self._parts.fs, self._parts.layout, leader)
        except OSError as error:
            if error.errno not in FULL:
                raise
            # A full disk deposes nobody. The others see no beat, but hear that we lead when they ask.
            if latest_epoch(self._parts.fs, self._parts.layout) > leader.epoch:
                raise FileNotFoundError(str(error)) from error
