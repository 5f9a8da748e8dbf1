"""Looking at the disk as it is: what lies below `files/`, whoever put it there, and what a file's bytes are now."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

from services.model.errors import StorageUnavailable
from services.model.ids import FileId
from services.storage.domain.documents import Document
from services.storage.domain.keeping import Actual
from services.storage.domain.surveying import DEPTH, Surveyed, in_turn, is_level, part_of
from services.storage.ports import Pace
from services.storage.store.documents import DocumentFiles
from services.storage.store.files import Parts
from services.storage.store.fs import Entry, Kind
from services.storage.store.health import reading
from services.storage.store.hours import Hour, strange_entry
from services.storage.store.index import IndexFailed
from services.storage.store.rereading import Rereading
from services.storage.store.rows import Row

BATCH = 500
"""Names of a folder, and rows of the index, that are looked at together."""
PART = 200_000
"""Names of a folder that are held at a time: one that has more is gone through once for each part of them."""


class Survey:
    """Fills `ports.Inspection`."""

    def __init__(self, parts: Parts, *, part: int = PART, batch: int = BATCH) -> None:
        """`part`: names of an hour that are held at a time; `batch`: that are looked at together."""
        self._part, self._batch = part, batch
        self._fs, self._layout, self._documents = parts.fs, parts.layout, DocumentFiles(parts.fs, parts.layout)
        self._index, self._pool = parts.index, parts.reads
        self._rereading = Rereading(parts.fs, parts.reads)

    async def reread(self, document: Document, pace: Pace) -> Actual | None:
        path = self._layout.data(document.attributes.file_id, document.storage_filename)
        return await self._rereading(path, pace)

    async def folders(self) -> AsyncIterator[Surveyed]:
        found = self._walk("", 0)
        while (surveyed := await self._pool.run(next, found, None)) is not None:
            yield surveyed

    async def unfounded(self) -> AsyncIterator[FileId]:
        last: FileId | None = None
        while rows := await self._pool.run(self._rows, last):
            for file_id in await self._pool.run(self._without_attributes, rows):
                yield file_id
            last = rows[-1].file_id

    async def correct(self, documents: Sequence[Document]) -> int:
        return await self._pool.run(self._correct, documents)

    def _walk(self, folder: str, depth: int) -> Iterator[Surveyed]:
        if depth == DEPTH:
            yield from self._hour(folder)
            return
        entries = self._entries(folder)
        below = sorted(each.name for each in entries if each.kind is Kind.FOLDER and is_level(each.name, depth))
        yield Surveyed(folder, strange=[strange_entry(folder, each) for each in entries if each.name not in below])
        for name in below:
            yield from self._walk(f"{folder}/{name}" if folder else name, depth + 1)

    def _hour(self, folder: str) -> Iterator[Surveyed]:
        """All of it, a bounded number of files at a time: an hour may have a million."""
        parts = 1 + sum(1 for _ in self._scan(folder)) // self._part
        for part in range(parts):
            entries = [each for each in self._scan(folder) if part_of(each.name, parts) == part]
            for some in in_turn(entries, self._batch):
                with reading():
                    surveyed = Hour(self._fs, self._layout, self._documents, folder).survey(some)
                yield surveyed

    def _scan(self, folder: str) -> Iterator[Entry]:
        with reading(), contextlib.suppress(FileNotFoundError):  # it went meanwhile
            for some in self._fs.scan(self._layout.files / folder, BATCH):
                yield from some

    def _entries(self, folder: str) -> list[Entry]:
        try:
            with reading():
                return self._fs.entries(self._layout.files / folder)
        except FileNotFoundError:
            if folder:
                return []  # it went meanwhile
            raise StorageUnavailable("the storage element's directory is not there") from None

    def _rows(self, after: FileId | None) -> list[Row]:
        try:
            return self._index.rows(after, BATCH)
        except IndexFailed as error:
            raise StorageUnavailable("the storage element's index does not answer", retry_after=10) from error

    def _without_attributes(self, rows: list[Row]) -> list[FileId]:
        with reading():
            return [
                row.file_id
                for row in rows
                if not self._fs.exists(self._layout.attributes(row.file_id, row.storage_filename))
            ]

    def _correct(self, documents: Sequence[Document]) -> int:
        if not self._index.complete:
            return 0  # it is being made anyway
        wrong = [each for each in documents if not _tells(self._index.get(each.attributes.file_id), each)]
        if wrong:
            self._index.put(wrong)
        return len(wrong)


def _tells(row: Row | None, document: Document) -> bool:
    file = document.attributes
    return row is not None and (row.revision, row.status) == (file.revision, file.status.value)
