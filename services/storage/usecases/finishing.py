"""Work that runs to its end even if its caller goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Finishing:
    """Commits under way. A caller that is cancelled leaves; the commit does not (fsync → rename → fsync is one act)."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, which ends even if this call is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The same for one who tidies up afterwards: a cancellation, and any more of them, waits until it has ended."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if not task.cancelled():
                task.exception()
            raise cancelled
        return task.result()

    async def ended(self) -> None:
        """Return when nothing is under way: before what the work stands on is closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)
