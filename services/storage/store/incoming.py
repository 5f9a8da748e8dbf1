"""Content on its way in, as the event loop sees it: the disk works on one step while the next one arrives."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from services.chassis.steps import Steps
from services.model.errors import StorageUnavailable
from services.model.files import FileAttributes, JsonObject
from services.model.ids import FileId
from services.storage.ports import Bytes
from services.storage.store.commits import Commits
from services.storage.store.locks import FileLocks
from services.storage.store.part import Part
from services.storage.store.pool import Pool, ended

PUSH = 32 << 20
"""Bytes after which the system is asked to write what it has."""


class IncomingFile:
    """Fills `ports.Incoming`. Leaving it without `commit` removes everything."""

    def __init__(
        self, file_id: FileId, part: Part, declared_size: int | None,
        *, writes: Pool, pushes: asyncio.Semaphore, steps: Steps, locks: FileLocks, commits: Commits,
    ) -> None:  # fmt: skip
        """`pushes`: how many uploads may keep a thread waiting for the disk before their end."""
        self._file_id, self._part, self._declared_size = file_id, part, declared_size
        self._writes, self._pushes, self._steps, self._locks, self._commits = writes, pushes, steps, locks, commits
        self._sharing = ExitStack()
        self._gathered: list[Bytes] = []
        self._length = 0
        self._working: list[asyncio.Future[None]] = []
        self._pushing: asyncio.Task[None] | None = None
        self._pushed = 0
        self._committing = self._left = False

    async def __aenter__(self) -> Self:
        try:
            await self._writes.run(self._part.open, self._declared_size)
        except asyncio.CancelledError:
            await self._discard()
            raise
        self._sharing.enter_context(self._steps.shared())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sharing.close()
        if not self._committing:
            self._left = True
            await self._discard()

    async def write(self, chunk: Bytes) -> None:
        self._gathered.append(chunk)
        self._length += len(chunk)
        if self._length >= self._steps.size():
            await self._flush()

    async def finish(self) -> str:
        if self._gathered:
            await self._flush()
        await self._settle()
        if self._pushing is not None:
            await self._pushing
        return await self._writes.run(self._part.finish)

    async def commit(self, attributes: FileAttributes, unknown: JsonObject | None = None) -> FileAttributes:
        if self._left:  # its sender went away while the commit waited for its turn
            raise StorageUnavailable("the upload was given up before its commit; nothing was kept")
        self._committing = True
        try:
            async with self._locks.hold(self._file_id):
                document = await self._writes.run(
                    self._commits.create, self._part.path, attributes, moved=self._part.published, unknown=unknown
                )
        finally:
            if not self._part.gone:
                await self._writes.run(self._part.discard)
        return document.attributes

    async def _flush(self) -> None:
        """Hand over what was gathered, once the step before has been written: this is the back-pressure."""
        await self._settle()
        data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._gathered, self._length = [], 0
        self._push_now_and_then()
        self._working = [self._writes.start(self._part.append, data), self._writes.start(self._part.digest, data)]

    async def _settle(self) -> None:
        working, self._working = self._working, []
        try:
            for work in working:
                await asyncio.shield(work)
        finally:
            for work in working:
                await ended(work)

    def _push_now_and_then(self) -> None:
        if self._part.size - self._pushed < PUSH or self._pushes.locked():
            return
        if self._pushing is not None:
            if not self._pushing.done():
                return
            self._pushing.result()  # an error of the disk is told once, and must not be lost
        self._pushed = self._part.size
        self._pushing = asyncio.create_task(self._push())

    async def _push(self) -> None:
        async with self._pushes:
            await self._writes.run(self._part.push)

    async def _discard(self) -> None:
        """Remove the part, once nobody works on it any more."""
        for work in (*self._working, *filter(None, [self._pushing])):
            await ended(work)
        await self._writes.run(self._part.discard)
