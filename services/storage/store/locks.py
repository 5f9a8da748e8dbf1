"""One lock for each file, made when it is wanted and forgotten when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
