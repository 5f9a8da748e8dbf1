"""The scrub on request and when it is due: whoever asks while it runs is told of that pass."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from services.chassis.logs import get_logger
from services.model.errors import ModeNotAllowed, StorageFull, StorageUnavailable
from services.model.maintenance import ScrubProgress, ScrubReport
from services.storage.usecases.one_at_a_time import PROGRESS_EVERY, OneAtATime
from services.storage.usecases.scrub import Scrub, ScrubRun

log = get_logger(__name__)

Pass = Callable[[ScrubRun], Awaitable[ScrubReport]]


class Scrubbings:
    """The one pass of the scrub that may run. It goes on when those who asked for it leave."""

    def __init__(self, scrub: Scrub, one_pass: Pass, *, progress_every: float = PROGRESS_EVERY) -> None:
        """`one_pass`: `scrub`, or something around it."""
        self._scrub = scrub
        self._passes = OneAtATime(one_pass, _progress, name="scrub", every=progress_every)
        self.stop = self._passes.stop

    def __call__(self) -> AsyncGenerator[ScrubProgress | ScrubReport, None]:
        """Have every file read once more: how far that is, now and then, and last the report. Raises as `Scrub`."""
        return self._passes(lambda: self._scrub.begin(anew=True))

    async def when_due(self) -> None:
        """Go on with the present round, or begin the next one in its time. Never raises what the disk says."""
        try:
            if await self._scrub.is_due():
                async for _ in self._passes(self._scrub.begin):
                    pass
        except ModeNotAllowed:
            return
        except (StorageUnavailable, StorageFull) as error:
            log.warning("the scrub stopped for now", reason=error.message)


def _progress(run: ScrubRun) -> ScrubProgress:
    return run.progress
