"""The files of an element, in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from services.model.errors import (
    Conflict,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    NotFound,
    StorageFull,
    StorageUnavailable,
)
from services.model.feed import ChangeKind, Destroyed
from services.model.files import ByteRange, FileAttributes, FileStatus, JsonObject
from services.model.ids import FileId
from services.model.paging import Page, PageRequest
from services.storage.domain.changes import Decision
from services.storage.domain.documents import Document, encode
from services.storage.domain.feed import kind_of
from services.storage.domain.names import storage_filename
from services.storage.domain.space import Room
from services.storage.ports import Bytes, Usage, Whole
from services.storage.store.cursors import Position, read_cursor, write_cursor
from tests.doubles.storage_feed import MemoryFeed

EPOCH = 7
CHUNK = 64 << 10


class MemoryFiles:
    """Fills `services.storage.ports.Files`."""

    def __init__(self, *, free: int = 1 << 30) -> None:
        self.documents: dict[FileId, Document] = {}
        self.bytes: dict[FileId, bytes] = {}
        self.damaged: set[FileId] = set()
        """Files whose attributes cannot be trusted."""
        self.destroyed: dict[FileId, Destroyed] = {}
        self.feed = MemoryFeed()
        self.incoming = 0
        """Uploads under way."""
        self.writable = True
        self.index_complete = True
        self.committing = asyncio.Event()
        """Set when a commit has begun."""
        self.commits = asyncio.Event()
        """While it is not set, commits that have begun wait."""
        self.commits.set()
        self._free, self._promised = free, 0

    async def find(self, file_id: FileId) -> Document:
        self._require_not_destroyed(file_id)
        if file_id in self.damaged:
            raise FileDamaged("its attributes cannot be trusted")
        if file_id not in self.documents:
            raise NotFound("there is no such file")
        return self.documents[file_id]

    async def page(self, status: FileStatus | None, page: PageRequest) -> Page[FileAttributes]:
        if not self.index_complete:
            raise StorageUnavailable("the index is being made")
        rows = [each.attributes for each in self.documents.values() if status in (None, each.attributes.status)]
        rows.sort(key=_position)
        rest = rows[page.offset :]
        if page.cursor:
            after = read_cursor(page.cursor)
            rest = [each for each in rows if _position(each) > (after.uploaded_ms, after.file_id)]
        shown, has_more = rest[: page.limit], len(rest) > page.limit
        cursor = write_cursor(Position(*_position(shown[-1]))) if has_more else ""
        return Page(items=shown, total=len(rows), has_more=has_more, next_cursor=cursor)

    async def texts(self, page: PageRequest) -> Page[bytes] | None:
        found = await self.page(None, page)
        texts = [encode(self.documents[each.file_id]) for each in found.items]
        return Page(texts, found.total, found.has_more, found.next_cursor)

    def usage(self) -> Usage:
        statuses = [each.attributes.status for each in self.documents.values()]
        return Usage({status: statuses.count(status) for status in set(statuses)}, self._used)

    async def room(self) -> Room:
        return Room(
            free=self._free - self._used, total=self._free, used=self._used, pending=self._promised,
            promised=self._promised, keep_free=0, limit=0,
        )  # fmt: skip

    @asynccontextmanager
    async def receive(self, file_id: FileId, declared_size: int | None) -> AsyncIterator[MemoryIncoming]:
        self._require_writable()
        (await self.room()).require(declared_size or 0)
        self._promised += declared_size or 0
        self.incoming += 1
        try:
            yield MemoryIncoming(self, file_id)
        finally:
            self._promised -= declared_size or 0
            self.incoming -= 1

    async def store(self, file: Whole) -> FileAttributes:
        async with self.receive(file.file_id, len(file.content)) as incoming:
            await incoming.write(file.content)
            return await incoming.commit(file.decide(await incoming.finish()))

    async def store_all(self, files: Sequence[Whole]) -> list[FileAttributes | BaseException]:
        outcomes: list[FileAttributes | BaseException] = []
        for file in files:
            try:
                outcomes.append(await self.store(file))
            except Exception as error:  # noqa: BLE001 - of one file
                outcomes.append(error)
        return outcomes

    async def change(self, file_id: FileId, decide: Decision) -> FileAttributes:
        document = await self.find(file_id)
        attributes = decide(document)
        if attributes is document.attributes:
            return attributes
        self._require_writable()
        self.documents[file_id] = document.changed(replace(attributes, epoch=EPOCH))
        after = self.documents[file_id].attributes
        await self._tell(kind_of(document.attributes.status, after.status), after)
        return after

    async def ended(self, at: datetime) -> AsyncIterator[FileId]:
        if not self.index_complete:
            raise StorageUnavailable("the index is being made")
        over = {FileStatus.DELETED, FileStatus.EXPIRED}
        files = [each.attributes for each in self.documents.values()]
        for file in files:
            if file.status in over or (file.expires_at is not None and at >= file.expires_at):
                yield file.file_id

    async def destroy(self, file_id: FileId, decide: Callable[[Document], Destroyed | None]) -> Destroyed | None:
        line = decide(await self.find(file_id))
        if line is not None:
            self._require_writable()
            self.destroyed[file_id] = line
            del self.documents[file_id]
            self.bytes.pop(file_id, None)
            await self._tell(ChangeKind.PURGED, line)
        return line

    @asynccontextmanager
    async def content(
        self, document: Document, wanted: ByteRange | None, *, hashed: bool
    ) -> AsyncIterator[MemoryContent]:
        data = self.bytes.get(document.attributes.file_id)
        if data is None:
            raise FileMissing("the file's bytes are missing")
        if len(data) != document.attributes.size:
            raise FileDamaged("the file has another size")
        yield MemoryContent(data if wanted is None else data[wanted.first : wanted.last + 1])

    def take(self, part: bytes) -> None:
        """Raise `StorageFull` if what comes does not fit."""
        if len(part) > self._free - self._used:
            raise StorageFull("no room")

    async def keep(self, attributes: FileAttributes, data: bytes, unknown: JsonObject | None = None) -> FileAttributes:
        """The commit: all in one step."""
        self._require_writable()
        file_id = attributes.file_id
        self._require_not_destroyed(file_id)
        if file_id in self.documents:
            existing = self.documents[file_id].attributes
            if (existing.size, existing.sha256) != (attributes.size, attributes.sha256):
                raise Conflict("another file has this id")
            return existing
        name = storage_filename(
            attributes.original_filename, user=attributes.uploaded_by, at=attributes.uploaded_at, file_id=file_id
        )
        self.documents[file_id] = Document(replace(attributes, epoch=EPOCH), name, unknown=unknown or {})
        self.bytes[file_id] = data
        await self._tell(ChangeKind.CREATED, self.documents[file_id].attributes)
        return self.documents[file_id].attributes

    async def _tell(self, kind: ChangeKind, subject: FileAttributes | Destroyed) -> None:
        self.feed.add(kind, subject)
        await self.feed.wake()

    @property
    def _used(self) -> int:
        return sum(map(len, self.bytes.values()))

    def _require_not_destroyed(self, file_id: FileId) -> None:
        if file_id in self.destroyed:
            expired = self.destroyed[file_id].why is FileStatus.EXPIRED
            raise FileExpired("destroyed") if expired else FileDeleted("destroyed")

    def _require_writable(self) -> None:
        if not self.writable:
            raise StorageUnavailable("the element has stopped writing")


class MemoryIncoming:
    """Fills `services.storage.ports.Incoming`."""

    def __init__(self, files: MemoryFiles, file_id: FileId) -> None:
        self._files, self._file_id = files, file_id
        self._data = bytearray()

    async def write(self, chunk: Bytes) -> None:
        self._data += chunk
        self._files.take(bytes(self._data))

    async def finish(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    async def commit(self, attributes: FileAttributes, unknown: JsonObject | None = None) -> FileAttributes:
        self._files.committing.set()
        await self._files.commits.wait()
        return await self._files.keep(attributes, bytes(self._data), unknown)


class MemoryContent:
    """Fills `services.storage.ports.Content`."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset = data, 0

    async def read(self) -> bytes:
        chunk = self._data[self._offset : self._offset + CHUNK]
        self._offset += len(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._data[: self._offset]).hexdigest()


def _position(file: FileAttributes) -> tuple[int, FileId]:
    return round(file.uploaded_at.timestamp() * 1000), file.file_id
