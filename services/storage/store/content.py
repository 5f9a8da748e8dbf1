"""A stored file's bytes on their way out: one step is read while the one before is sent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from services.chassis.steps import Steps
from services.model.errors import FileDamaged, FileMissing
from services.storage.store.fs import READ, FileSystem
from services.storage.store.health import reading
from services.storage.store.pool import Pool, ended


class StoredContent:
    """Fills `ports.Content`; used by one reader."""

    def __init__(
        self, fs: FileSystem, path: Path, *, expected_size: int, first: int, length: int, hashed: bool, reads: Pool,
        steps: Steps,
    ) -> None:  # fmt: skip
        """`expected_size`: of the whole file; `first`, `length`: what is wanted of it."""
        self._fs, self._path, self._expected_size, self._reads, self._steps = fs, path, expected_size, reads, steps
        self._sharing = ExitStack()
        self._offset, self._end = first, first + length
        self._hash = hashlib.sha256() if hashed else None
        self._descriptor: int | None = None
        self._first: bytes | None = None
        self._ahead: asyncio.Future[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            # With the first step, which for most files is the only one: each job costs more than it reads.
            self._first = await self._reads.run(self._begin, self._steps.size())
        except BaseException:
            self._close()
            raise
        self._sharing.enter_context(self._steps.shared())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sharing.close()
        if self._ahead is not None:
            await ended(self._ahead)
        self._close()

    async def read(self) -> bytes:
        chunk, self._first = self._first, None
        if chunk is None:
            chunk = await self._next()
        if chunk and self._offset < self._end:
            self._ahead = self._reads.start(self._step, self._steps.size())
        return chunk

    async def _next(self) -> bytes:
        ahead, self._ahead = self._ahead or self._reads.start(self._step, self._steps.size()), None
        try:
            return await asyncio.shield(ahead)
        except asyncio.CancelledError:
            await ended(ahead)
            raise

    @property
    def sha256(self) -> str:
        assert self._hash is not None, "the content is not hashed"
        return self._hash.hexdigest()

    def _begin(self, size: int) -> bytes:
        self._open()
        return self._step(size)

    def _open(self) -> None:
        try:
            with reading():
                self._descriptor = self._fs.open(self._path, READ)
                size = self._fs.size(self._descriptor)
        except FileNotFoundError:
            raise FileMissing("the file's bytes are missing from the storage element") from None
        if size != self._expected_size:
            self._close()
            raise FileDamaged(f"the file has {size} bytes instead of {self._expected_size}; it is not served")

    def _step(self, size: int) -> bytes:
        assert self._descriptor is not None, "the content is not open"
        with reading():
            chunk = self._fs.read(self._descriptor, min(size, self._end - self._offset), self._offset)
        self._offset += len(chunk)
        if self._hash is not None:
            self._hash.update(chunk)
        return chunk

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with contextlib.suppress(OSError):  # it was only read
                self._fs.close(descriptor)
