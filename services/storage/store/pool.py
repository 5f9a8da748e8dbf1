"""The threads that wait for the disk, so that the event loop never does."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


class Pool:
    """A bounded number of threads."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def start(self, job: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> asyncio.Future[Result]:
        """Begin a job; its caller sees to it that the future is awaited to its end, by `ended` if by nothing else."""
        context = contextvars.copy_context()
        return asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(job, *args, **kwargs))

    async def run(self, job: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """The result of a job. A cancellation waits until the job has ended: nobody tidies up behind its back."""
        return await to_its_end(self.start(job, *args, **kwargs))

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown(wait=True)


async def to_its_end(future: asyncio.Future[Result]) -> Result:
    """The result of a job; a cancellation waits until it has ended."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await ended(future)
        raise


async def ended(future: asyncio.Future[Result]) -> None:
    """Return when the job has ended, however: what it raised is dropped, and cancellations meanwhile come to nothing.

    For those who tidy up, whose time is bounded by one step of the disk.
    """
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()
