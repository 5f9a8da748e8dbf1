"""The resumable uploads of an element, in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime

from services.model.errors import NotFound
from services.model.files import FileAttributes
from services.model.ids import UploadId
from services.storage.domain.resumable import OpenUpload
from services.storage.ports import Bytes
from tests.doubles.storage_files import MemoryFiles


class MemoryUploads:
    """Fills `services.storage.ports.Uploads`; the files that are made go to `files`."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.uploads: dict[UploadId, OpenUpload] = {}
        self.bytes: dict[UploadId, bytes] = {}
        self._locks: dict[UploadId, asyncio.Lock] = defaultdict(asyncio.Lock)

    def held(self, upload_id: UploadId) -> AbstractAsyncContextManager[None]:
        return _holding(self._locks[upload_id])

    def known(self) -> list[OpenUpload]:
        return list(self.uploads.values())

    def get(self, upload_id: UploadId) -> OpenUpload:
        if upload_id not in self.uploads:
            raise NotFound("there is no such upload")
        return self.uploads[upload_id]

    async def create(self, upload: OpenUpload) -> None:
        (await self.files.room()).require(upload.outstanding)
        self.uploads[upload.upload_id] = upload
        self.bytes[upload.upload_id] = b""

    @asynccontextmanager
    async def append(self, upload: OpenUpload, *, expires_at: Callable[[], datetime]) -> AsyncIterator[MemoryAppending]:
        yield MemoryAppending(self, upload, expires_at)

    async def digest(self, upload: OpenUpload) -> str:
        return hashlib.sha256(self.bytes[upload.upload_id]).hexdigest()

    async def complete(self, upload: OpenUpload, attributes: FileAttributes, *, expires_at: datetime) -> FileAttributes:
        async with self.files.receive(upload.file_id, upload.offset) as incoming:
            await incoming.write(self.bytes[upload.upload_id])
            file = await incoming.commit(attributes)
        del self.bytes[upload.upload_id]
        self.uploads[upload.upload_id] = upload.done(expires_at=expires_at)
        return file

    async def remove(self, upload: OpenUpload) -> None:
        self.uploads.pop(upload.upload_id, None)
        self.bytes.pop(upload.upload_id, None)


class MemoryAppending:
    """Fills `services.storage.ports.Appending`."""

    def __init__(self, uploads: MemoryUploads, upload: OpenUpload, expires_at: Callable[[], datetime]) -> None:
        self._uploads, self._upload, self._expires_at = uploads, upload, expires_at
        self._data = bytearray()

    async def write(self, chunk: Bytes) -> None:
        self._data += chunk
        self._uploads.files.take(bytes(self._data))

    async def acknowledge(self) -> OpenUpload:
        upload_id = self._upload.upload_id
        self._uploads.bytes[upload_id] += bytes(self._data)
        self._data.clear()
        self._upload = replace(
            self._upload, offset=len(self._uploads.bytes[upload_id]), expires_at=self._expires_at(), epoch=7
        )
        self._uploads.uploads[upload_id] = self._upload
        return self._upload


@asynccontextmanager
async def _holding(lock: asyncio.Lock) -> AsyncIterator[None]:
    async with lock:
        yield
