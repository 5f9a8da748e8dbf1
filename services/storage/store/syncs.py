"""Many files are synced at once: the disk makes one flush of those that ask for it at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


class Syncs:
    """Threads for it, shared by all that ask. In threads only: it waits for the disk."""

    def __init__(self, threads: int) -> None:
        """`threads`: that work at the same time; with one, all is done in order by whoever asks."""
        self._count = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sync")

    def each(self, job: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Do a job for each; return when all have ended. What one raises is raised when the others have ended."""
        shares = [items[start :: self._count] for start in range(min(self._count, len(items)))]
        others = [self._threads.submit(_all, job, share) for share in shares[1:]]
        try:
            _all(job, shares[0] if shares else ())
        finally:
            failures = [each.exception() for each in others]
        for failure in failures:
            if failure is not None:
                raise failure

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True)


def _all(job: Callable[[Item], None], items: Sequence[Item]) -> None:
    for each in items:
        job(each)
