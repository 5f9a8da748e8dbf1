"""Resumable uploads as the event loop sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import TracebackType
from typing import Self

from services.model.files import FileAttributes
from services.model.ids import FileId, UploadId
from services.storage.domain.resumable import OpenUpload
from services.storage.ports import Bytes
from services.storage.store.charge import Charge
from services.storage.store.locks import FileLocks
from services.storage.store.pool import Pool
from services.storage.store.uploads import UploadFiles

STEP = 512 << 10
"""Bytes gathered for one job."""
PUSH = 64 << 20
"""Bytes after which what has come is acknowledged although more is to come: so much may have to be sent again."""


class ElementUploads:
    """Fills `ports.Uploads`."""

    def __init__(self, charge: Charge, *, locks: FileLocks, writes: Pool) -> None:
        """`locks`: of files; uploads have their own."""
        self._charge, self._file_locks, self._writes = charge, locks, writes
        self._locks = FileLocks()

    def held(self, upload_id: UploadId) -> AbstractAsyncContextManager[None]:
        return self._locks.hold(FileId(upload_id))

    def known(self) -> list[OpenUpload]:
        return self._files.known()

    def get(self, upload_id: UploadId) -> OpenUpload:
        return self._files.get(upload_id)

    async def create(self, upload: OpenUpload) -> None:
        await self._writes.run(self._files.create, upload)

    def append(self, upload: OpenUpload, *, expires_at: Callable[[], datetime]) -> AppendingPart:
        return AppendingPart(self._files, upload, self._writes, expires_at)

    async def digest(self, upload: OpenUpload) -> str:
        return await self._writes.run(self._files.digest, upload)

    async def complete(self, upload: OpenUpload, attributes: FileAttributes, *, expires_at: datetime) -> FileAttributes:
        async with self._file_locks.hold(upload.file_id):
            document = await self._writes.run(self._files.publish, upload, attributes, expires_at=expires_at)
        return document.attributes

    async def remove(self, upload: OpenUpload) -> None:
        await self._writes.run(self._files.remove, upload)

    @property
    def _files(self) -> UploadFiles:
        return self._charge.writing.uploads


class AppendingPart:
    """Fills `ports.Appending`."""

    def __init__(
        self, files: UploadFiles, upload: OpenUpload, writes: Pool, expires_at: Callable[[], datetime]
    ) -> None:
        self._files, self._upload, self._writes, self._expires_at = files, upload, writes, expires_at
        self._descriptor = -1
        self._gathered: list[Bytes] = []
        self._length = 0
        self._written = upload.offset

    async def __aenter__(self) -> Self:
        try:
            await self._writes.run(self._open)
        except asyncio.CancelledError:
            await self._writes.run(self._files.close, self._descriptor)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._writes.run(self._files.close, self._descriptor)

    async def write(self, chunk: Bytes) -> None:
        self._gathered.append(chunk)
        self._length += len(chunk)
        if self._length >= STEP:
            await self._flush()
        if self._written - self._upload.offset >= PUSH:
            await self.acknowledge()

    async def acknowledge(self) -> OpenUpload:
        await self._flush()
        grown = self._upload.grown(self._written, epoch=self._upload.epoch, expires_at=self._expires_at())
        self._upload = await self._writes.run(self._files.acknowledge, self._descriptor, grown)
        return self._upload

    def _open(self) -> None:
        self._descriptor = self._files.open_part(self._upload)

    async def _flush(self) -> None:
        if not self._gathered:
            return
        data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._gathered, self._length = [], 0
        await self._writes.run(
            self._files.write, self._descriptor, data, promised=self._upload.new.declared_size is not None
        )
        self._written += len(data)
