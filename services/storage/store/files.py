"""The files of one element, as the use cases see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from services.chassis.steps import DOWNLOADS, UPLOADS, Steps
from services.model.errors import StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import ByteRange, FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.paging import Page, PageRequest
from services.storage.domain.changes import Decision
from services.storage.domain.documents import Document
from services.storage.domain.space import Room
from services.storage.ports import Usage, Whole
from services.storage.store.batches import Batches
from services.storage.store.charge import Charge
from services.storage.store.content import StoredContent
from services.storage.store.cursors import Position, read_cursor, write_cursor
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.durable import Folders
from services.storage.store.fs import FileSystem
from services.storage.store.health import reading
from services.storage.store.incoming import IncomingFile
from services.storage.store.index import Index, IndexFailed
from services.storage.store.layout import Layout
from services.storage.store.locks import FileLocks
from services.storage.store.lookup import Lookup
from services.storage.store.part import Part
from services.storage.store.pool import Pool
from services.storage.store.reserve import Reserve
from services.storage.store.rows import Row as IndexRow
from services.storage.store.small import SmallFile
from services.storage.store.space import Space
from services.storage.store.syncs import Syncs
from services.storage.store.texts import NotPlain, Texts

Asked = ParamSpec("Asked")
Row = TypeVar("Row")
Item = TypeVar("Item")

BATCH = 500
"""Rows that a walk over the index takes at a time."""
PAGE_BYTES = 3 << 20
"""Of documents in one page: with what lies around them they fit into a message."""
PUSHES = 4
"""Uploads that may keep a thread waiting for the disk before their end; there are more threads than these."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What any process of an element has; with `charge`, one that leads writes."""

    fs: FileSystem
    layout: Layout
    folders: Folders
    charge: Charge
    index: Index
    lookup: Lookup
    texts: Texts
    destroyed: DestroyedLog
    space: Space
    reserve: Reserve
    reads: Pool
    writes: Pool
    syncs: Syncs


class ElementFiles:
    """Fills `ports.Files`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.locks = FileLocks()
        """Of single files; whoever changes one holds its."""
        self._pushes = asyncio.Semaphore(PUSHES)
        self._incoming, self._outgoing = Steps(UPLOADS), Steps(DOWNLOADS)
        self._small = Batches(parts.charge, parts.writes)

    @property
    def writable(self) -> bool:
        return self._parts.charge.health.writable

    def usage(self) -> Usage:
        return self._parts.index.usage

    async def room(self) -> Room:
        return await self._parts.reads.run(self._room)

    async def find(self, file_id: FileId) -> Document:
        return await self._parts.reads.run(self._parts.lookup.find, file_id)

    async def page(self, status: FileStatus | None, page: PageRequest) -> Page[FileAttributes]:
        after = read_cursor(page.cursor) if page.cursor else None
        return await self._parts.reads.run(self._page, status, page, after)

    async def texts(self, page: PageRequest) -> Page[bytes] | None:
        after = read_cursor(page.cursor) if page.cursor else None
        return await self._parts.reads.run(self._texts, page, after)

    def receive(self, file_id: FileId, declared_size: int | None) -> AbstractAsyncContextManager[IncomingFile]:
        p = self._parts
        writing = p.charge.writing
        part = Part(p.fs, writing.commits.temporary(file_id, "part"), p.space, writing.disk.health)
        return IncomingFile(
            file_id, part, declared_size,
            writes=p.writes, pushes=self._pushes, steps=self._incoming, locks=self.locks, commits=writing.commits,
        )  # fmt: skip

    async def store(self, file: Whole) -> FileAttributes:
        small = SmallFile(file.file_id, file.content, file.decide)
        async with self.locks.hold(file.file_id):
            await self._small.store([small])
        outcome = small.outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def store_all(self, files: Sequence[Whole]) -> list[FileAttributes | BaseException]:
        batch = [SmallFile(file.file_id, file.content, file.decide) for file in files]
        async with self.locks.hold_free([each.file_id for each in batch]) as held:
            # Of an id that comes twice the second waits for the first, as one does that somebody else is busy with.
            now = {each.file_id: each for each in reversed(batch) if each.file_id in held}
            await self._small.store([*now.values()])
        await asyncio.gather(*(self._stored_alone(each) for each in batch if now.get(each.file_id) is not each))
        return [each.outcome for each in batch]

    async def _stored_alone(self, small: SmallFile) -> None:
        async with self.locks.hold(small.file_id):
            await self._small.store([small])

    async def change(self, file_id: FileId, decide: Decision) -> FileAttributes:
        async with self.locks.hold(file_id):
            change = self._parts.charge.writing.commits.change
            document = await self._parts.writes.run(self._parts.reserve.spending, change, file_id, decide)
        return document.attributes

    async def ended(self, at: datetime) -> AsyncIterator[FileId]:
        end: tuple[int, FileId] | None = None
        while ends := await self._parts.reads.run(self._index_rows, self._parts.index.expiring, at, end, BATCH):
            for end in ends:
                yield end[1]
        last: FileId | None = None
        while ids := await self._parts.reads.run(self._index_rows, self._parts.index.ended, last, BATCH):
            for last in ids:
                yield last

    async def destroy(self, file_id: FileId, decide: Callable[[Document], Destroyed | None]) -> Destroyed | None:
        async with self.locks.hold(file_id):
            destroy = self._parts.charge.writing.purging.destroy
            return await self._parts.writes.run(self._parts.reserve.spending, destroy, file_id, decide)

    @asynccontextmanager
    async def content(
        self, document: Document, wanted: ByteRange | None, *, hashed: bool
    ) -> AsyncIterator[StoredContent]:
        file = document.attributes
        first, length = (wanted.first, len(wanted)) if wanted else (0, file.size)
        path = self._parts.layout.data(file.file_id, document.storage_filename)
        async with StoredContent(
            self._parts.fs, path, expected_size=file.size, first=first, length=length, hashed=hashed,
            reads=self._parts.reads, steps=self._outgoing,
        ) as content:  # fmt: skip
            yield content

    def _room(self) -> Room:
        try:
            with reading():
                return self._parts.space.room()
        except FileNotFoundError:
            raise StorageUnavailable("the storage element's directory is not there") from None

    def _index_rows(self, ask: Callable[Asked, list[Row]], *args: Asked.args, **kwargs: Asked.kwargs) -> list[Row]:
        if not self._parts.index.complete:
            raise StorageUnavailable("the storage element's index is being made; try again", retry_after=10)
        try:
            return ask(*args, **kwargs)
        except IndexFailed as error:
            raise StorageUnavailable("the storage element's index does not answer", retry_after=10) from error

    def _page(self, status: FileStatus | None, page: PageRequest, after: Position | None) -> Page[FileAttributes]:
        rows = self._index_rows(self._parts.index.page, status, after, page.offset, page.limit + 1)
        shown = rows[: page.limit]
        documents = self._parts.lookup.read(shown)
        return self._part([document.attributes for document in documents], shown, len(rows) > page.limit, status)

    def _texts(self, page: PageRequest, after: Position | None) -> Page[bytes] | None:
        rows = self._index_rows(self._parts.index.page, None, after, page.offset, page.limit + 1)
        try:
            texts, count = self._parts.texts.some(rows[: page.limit], PAGE_BYTES)
        except NotPlain:
            return None
        return self._part(texts, rows[:count], len(rows) > count, None)

    def _part(
        self, items: Sequence[Item], rows: Sequence[IndexRow], has_more: bool, status: FileStatus | None
    ) -> Page[Item]:
        counts = self._parts.index.usage.files
        return Page(
            items=items,
            total=sum(counts.values()) if status is None else counts.get(status, 0),
            has_more=has_more,
            next_cursor=write_cursor(Position(rows[-1].uploaded_ms, rows[-1].file_id)) if has_more else "",
        )
