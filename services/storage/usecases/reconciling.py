"""Reconciliation on request: whoever asks while one runs is told of that one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, StorageUnavailable
from services.model.maintenance import ReconcileProgress, ReconcileReport
from services.storage.ports import Collections
from services.storage.usecases.one_at_a_time import PROGRESS_EVERY, OneAtATime
from services.storage.usecases.reconcile import Reconcile, Run

log = get_logger(__name__)

Pass = Callable[[Run], Awaitable[ReconcileReport]]


class Reconciling:
    """The one reconciliation that may run. It goes on when those who asked for it leave."""

    def __init__(self, reconcile: Reconcile, one_pass: Pass, *, progress_every: float = PROGRESS_EVERY) -> None:
        """`one_pass`: `reconcile`, or something around it."""
        self._reconcile = reconcile
        self._passes = OneAtATime(one_pass, _progress, name="reconciliation", every=progress_every)
        self.stop = self._passes.stop

    def __call__(self, *, thorough: bool) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        """How far it has come, now and then, and last the report. Raises as `Reconcile`."""
        return self._passes(lambda: self._reconcile.begin(thorough=thorough))


def _progress(run: Run) -> ReconcileProgress:
    return run.progress


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
