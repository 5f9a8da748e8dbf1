"""Reconciliation on request: whoever asks while one runs is told of that one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, StorageUnavailable
from services.model.maintenance import ReconcileProgress, ReconcileReport
from services.storage.ports import Collections
from services.storage.usecases.reconcile import Reconcile, Run

PROGRESS_EVERY = 1.0
"""Seconds between two words of how far it has come."""

log = get_logger(__name__)

Pass = Callable[[Run], Awaitable[ReconcileReport]]


class Reconciling:
    """The one reconciliation that may run. It goes on when those who asked for it leave."""

    def __init__(self, reconcile: Reconcile, one_pass: Pass, *, progress_every: float = PROGRESS_EVERY) -> None:
        """`one_pass`: `reconcile`, or something around it."""
        self._reconcile, self._one_pass, self._progress_every = reconcile, one_pass, progress_every
        self._running: tuple[Run, asyncio.Task[ReconcileReport]] | None = None

    async def __call__(self, *, thorough: bool) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        """How far it has come, now and then, and last the report. Raises as `Reconcile`."""
        run, task = self._present() or self._start(thorough=thorough)
        yield run.progress
        while not (await asyncio.wait({task}, timeout=self._progress_every))[0]:
            yield run.progress
        yield await asyncio.shield(task)

    async def stop(self) -> None:
        """End what runs; what it has begun to move is moved to its end."""
        if self._running is not None:
            _, task = self._running
            task.cancel()
            await asyncio.wait({task})

    def _present(self) -> tuple[Run, asyncio.Task[ReconcileReport]] | None:
        return self._running if self._running and not self._running[1].done() else None

    def _start(self, *, thorough: bool) -> tuple[Run, asyncio.Task[ReconcileReport]]:
        run = self._reconcile.begin(thorough=thorough)
        task = asyncio.create_task(self._pass(run))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told, though all may have left
        self._running = run, task
        return self._running

    async def _pass(self, run: Run) -> ReconcileReport:
        try:
            return await self._one_pass(run)
        except ArtStoreError as error:
            log.warning("the reconciliation did not come to its end", reason=error.message)
            raise
        except Exception:
            log.exception("the reconciliation did not come to its end")
            raise


class ReconcileWhenDue:
    """A pass from time to time. It compares sizes; the scrub compares the bytes."""

    def __init__(
        self, *, reconciling: Reconciling, reconciliations: Collections, clock: Clock, interval: timedelta
    ) -> None:
        """`interval`: zero, only on request."""
        self._reconciling, self._reconciliations = reconciling, reconciliations
        self._clock, self._interval = clock, interval

    async def __call__(self) -> None:
        """Run one, if the last one is long enough ago; restarts do not count. Never raises what the disk says."""
        if not self._interval:
            return
        try:
            now, last = self._clock.now(), await self._last()
            if last is None:
                await self._reconciliations.keep(now)  # a new element needs none, an old one not at its start
            elif now - last >= self._interval or now < last:
                await self._reconciliations.keep(now)
                async for _ in self._reconciling(thorough=False):
                    pass
        except ArtStoreError as error:
            log.warning("the element was not reconciled", reason=error.message)

    async def _last(self) -> datetime | None:
        try:
            return await self._reconciliations.last()
        except StorageUnavailable:
            return None  # it cannot be trusted, and is written anew
