"""Fakes for `services.query.ports`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from artstore.storage.v1 import storage_pb2
from artstore.types.v1 import file_pb2

from clients.frames import encode_chunk
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.errors import ArtStoreError, NotFound
from services.model.files import ByteRange, FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.search import SearchMode, SearchRequest, SortKey, TagsMatch
from services.query.domain.ordering import Ordering, Position, SortValue
from services.query.ports import Match, Record


class MemoryRegistry:
    """Fills `Registry`."""

    def __init__(self) -> None:
        self.records: dict[FileId, Record] = {}
        self.counted = 0
        """How often `count` was asked."""

    async def add(self, file: FileAttributes, element: ElementAddress) -> None:
        self.records[file.file_id] = Record(file, element)

    async def record(self, file_id: FileId) -> Record | None:
        return self.records.get(file_id)

    async def find(
        self, request: SearchRequest, ordering: Ordering, after: Position | None, *, limit: int, now: datetime
    ) -> Sequence[Match]:
        matches = [_match(file, request, ordering.key) for file in self._matching(request, now)]
        matches.sort(key=_place, reverse=ordering.descending)
        if after is not None:
            edge: Any = (after.value, after.file_id)
            matches = [m for m in matches if (_place(m) < edge if ordering.descending else _place(m) > edge)]
        return matches[request.page.offset :][:limit]

    async def count(self, request: SearchRequest, *, now: datetime) -> int:
        self.counted += 1
        return len(self._matching(request, now))

    def _matching(self, request: SearchRequest, now: datetime) -> list[FileAttributes]:
        return [record.file for record in self.records.values() if _holds(record.file, request, now)]


def _holds(file: FileAttributes, request: SearchRequest, now: datetime) -> bool:
    status = file.status_at(now)
    conditions = (
        status is request.status if request.status else status is not FileStatus.DELETED,
        _named(file, request),
        request.filename.lower() in file.original_filename.lower(),
        not request.extension or _extension(file) == request.extension.removeprefix(".").lower(),
        not request.content_type or _same_type(file.content_type, request.content_type),
        not request.uploaded_by or file.uploaded_by == request.uploaded_by,
        not request.tags or _tagged(file, request),
        request.metadata.items() <= file.metadata.items(),
        request.size_min is None or file.size >= request.size_min,
        request.size_max is None or file.size <= request.size_max,
        request.uploaded_after is None or file.uploaded_at >= request.uploaded_after,
        request.uploaded_before is None or file.uploaded_at < request.uploaded_before,
        request.expires_before is None or (file.expires_at is not None and file.expires_at < request.expires_before),
        request.retention_policy is None or file.retention_policy is request.retention_policy,
    )
    return all(conditions)


def _named(file: FileAttributes, request: SearchRequest) -> bool:
    query = request.query.lower()
    if request.mode is SearchMode.FULLTEXT and query:
        said = " ".join((file.original_filename, file.description, *file.tags)).lower()
        return set(query.split()) <= set(re.findall(r"[^\W_]+", said))
    if request.mode is SearchMode.EXACT and query:
        return file.original_filename.lower() == query
    return query in file.original_filename.lower() or query in file.description.lower()


def _tagged(file: FileAttributes, request: SearchRequest) -> bool:
    common = set(request.tags) & set(file.tags)
    return bool(common) if request.tags_match is TagsMatch.ANY else common == set(request.tags)


def _extension(file: FileAttributes) -> str:
    stem, dot, extension = file.original_filename.rpartition(".")
    return extension.lower() if dot and stem else ""


def _same_type(stored: str, wanted: str) -> bool:
    kept = stored if ";" in wanted else stored.partition(";")[0].rstrip()
    return kept.lower() == wanted.lower()


def _match(file: FileAttributes, request: SearchRequest, key: SortKey) -> Match:
    score = _score(file.original_filename.lower(), request)
    values: dict[SortKey, SortValue] = {
        SortKey.RELEVANCE: score,
        SortKey.UPLOADED_AT: file.uploaded_at,
        SortKey.FILENAME: file.original_filename.lower(),
        SortKey.SIZE: file.size,
    }
    return Match(file, score, Position(values[key], file.file_id))


def _score(name: str, request: SearchRequest) -> float:
    query = request.query.lower()
    if not query:
        return 0.0
    if request.mode is SearchMode.EXACT:
        return 1.0
    share = len(query) / len(name)
    return 0.5 * share + 0.5 * name.startswith(query) if query in name else 0.0


def _place(match: Match) -> Any:
    return (match.position.value, match.position.file_id)


@dataclass
class FakeDownload:
    """Fills `ElementDownload`."""

    file: FileAttributes
    range: ByteRange | None
    content: bytes

    async def frames(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 4):
            yield encode_chunk(self.content[start : start + 4])
        trailer = file_pb2.DownloadTrailer(size=len(self.content))
        yield storage_pb2.DownloadResponse(trailer=trailer).SerializeToString()


class FakeElement:
    """Fills `Element`."""

    def __init__(self) -> None:
        self.files: dict[FileId, tuple[FileAttributes, bytes]] = {}
        self.refuses: ArtStoreError | None = None
        self.asked = 0
        self.open = 0
        """Downloads under way."""

    @asynccontextmanager
    async def download(
        self, file_id: FileId, wanted: ByteRange | None, *, on_behalf_of: Identity | None
    ) -> AsyncIterator[FakeDownload]:
        self.asked += 1
        if self.refuses:
            raise self.refuses
        if file_id not in self.files:
            raise NotFound("no such file")
        file, content = self.files[file_id]
        part = content if wanted is None else content[wanted.first : wanted.last + 1]
        self.open += 1
        try:
            yield FakeDownload(file, wanted, part)
        finally:
            self.open -= 1


class FakeElements:
    """Fills `Elements` with one element, whatever the address."""

    def __init__(self, element: FakeElement) -> None:
        self._element = element

    def client(self, address: ElementAddress) -> FakeElement:
        return self._element


class FakeRepairs:
    """Fills `Repairs`: marks the row as `finds` says, which stands for what the element answers Admin."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry
        self.finds = FileStatus.MISSING
        self.refuses: ArtStoreError | None = None
        self.marked: list[FileId] = []

    async def mark_missing(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes:
        self.marked.append(file_id)
        if self.refuses:
            raise self.refuses
        record = self._registry.records[file_id]
        file = replace(record.file, status=self.finds)
        await self._registry.add(file, record.element)
        return file
