"""One lock for each file, made when it is wanted and forgotten when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from services.model.ids import FileId


class FileLocks:
    """Whoever changes a file holds its lock from reading the attributes to the end."""

    def __init__(self) -> None:
        self._locks: dict[FileId, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, file_id: FileId) -> AsyncIterator[None]:
        """Hold the lock of one file, waiting for it."""
        lock, users = self._locks.get(file_id, (asyncio.Lock(), 0))
        self._locks[file_id] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[file_id]
            if users == 1:
                del self._locks[file_id]
            else:
                self._locks[file_id] = lock, users - 1

    @asynccontextmanager
    async def hold_free(self, file_ids: Iterable[FileId]) -> AsyncIterator[set[FileId]]:
        """Hold the locks of those that nobody has or waits for; which these are. Never waits."""
        free = {each for each in file_ids if each not in self._locks}
        async with AsyncExitStack() as stack:
            for each in free:
                await stack.enter_async_context(self.hold(each))
            yield free
