"""Passes of which one may run at a time: whoever asks while one runs is told of that one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

from services.chassis.logs import get_logger
from services.model.errors import ArtStoreError

PROGRESS_EVERY = 1.0
"""Seconds between two words of how far it has come."""

RunT = TypeVar("RunT")
ProgressT = TypeVar("ProgressT")
ReportT = TypeVar("ReportT")

log = get_logger(__name__)


class OneAtATime(Generic[RunT, ProgressT, ReportT]):
    """The one pass of a kind that may run. It goes on when those who asked for it leave."""

    def __init__(
        self,
        one_pass: Callable[[RunT], Awaitable[ReportT]],
        progress: Callable[[RunT], ProgressT],
        *,
        name: str,
        every: float = PROGRESS_EVERY,
    ) -> None:
        """`progress`: how far a pass has come. `name`: of what it is, for the log."""
        self._one_pass, self._progress, self._name, self._every = one_pass, progress, name, every
        self._running: tuple[RunT, asyncio.Task[ReportT]] | None = None

    async def __call__(self, begin: Callable[[], RunT]) -> AsyncGenerator[ProgressT | ReportT, None]:
        """How far it has come, now and then, and last the report; `begin`: where none runs. Raises as the pass."""
        run, task = self._present() or self._start(begin())
        yield self._progress(run)
        while not (await asyncio.wait({task}, timeout=self._every))[0]:
            yield self._progress(run)
        yield self._progress(run)
        yield await asyncio.shield(task)

    async def stop(self) -> None:
        """End what runs; what it has begun to move is moved to its end."""
        if self._running is not None:
            _, task = self._running
            task.cancel()
            await asyncio.wait({task})

    def _present(self) -> tuple[RunT, asyncio.Task[ReportT]] | None:
        return self._running if self._running and not self._running[1].done() else None

    def _start(self, run: RunT) -> tuple[RunT, asyncio.Task[ReportT]]:
        task = asyncio.create_task(self._pass(run))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told, though all may have left
        self._running = run, task
        return self._running

    async def _pass(self, run: RunT) -> ReportT:
        try:
            return await self._one_pass(run)
        except ArtStoreError as error:
            log.warning("a pass did not come to its end", of=self._name, reason=error.message)
            raise
        except Exception:
            log.exception("a pass did not come to its end", of=self._name)
            raise
