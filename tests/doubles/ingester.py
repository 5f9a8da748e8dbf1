"""Fakes for `services.ingester.ports`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from clients.frames import decode_chunk, encode_chunk
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.errors import ArtStoreError, ChecksumMismatch, NotFound, ValidationFailed
from services.model.files import FileAttributes, FileChange, FileStatus, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import ElementId, FileId
from tests.doubles.documents import a_file


class FakeDirectory:
    """Fills `Directory`: a registry in memory."""

    def __init__(self, *candidates: ElementAddress) -> None:
        self.candidates = list(candidates)
        self.rows: dict[FileId, tuple[ElementAddress, FileAttributes]] = {}
        self.asked: list[tuple[RetentionPolicy, int | None]] = []
        self.refuses_to_select: ArtStoreError | None = None
        self.refuses_to_register: ArtStoreError | None = None
        self.blamed: list[ElementId] = []
        """Elements that were reported."""

    async def report_failure(self, element_id: ElementId) -> None:
        self.blamed.append(element_id)

    async def select_element(
        self, policy: RetentionPolicy, size: int | None, *, on_behalf_of: Identity | None
    ) -> Sequence[ElementAddress]:
        self.asked.append((policy, size))
        if self.refuses_to_select:
            raise self.refuses_to_select
        return self.candidates

    async def locate_file(
        self, file_id: FileId, *, on_behalf_of: Identity | None
    ) -> tuple[ElementAddress, FileAttributes]:
        if file_id not in self.rows:
            raise NotFound("there is no document with this id")
        return self.rows[file_id]

    async def register_file(self, element_id: ElementId, file: FileAttributes) -> FileAttributes:
        if self.refuses_to_register:
            raise self.refuses_to_register
        element = next(each for each in self._known() if each.element_id == element_id)
        self.rows[file.file_id] = (element, file)
        return file

    def _known(self) -> list[ElementAddress]:
        return [*self.candidates, *(element for element, _ in self.rows.values())]


class FakeElement:
    """Fills `Element`, and `ElementUpload` for the upload that is under way."""

    def __init__(self) -> None:
        self.files: dict[FileId, tuple[FileAttributes, bytes]] = {}
        self.refuses_header: ArtStoreError | None = None
        self.refuses_chunks: ArtStoreError | None = None
        self.refuses_commit: ArtStoreError | None = None
        self.refuses_change: ArtStoreError | None = None
        self.commit_may_end = asyncio.Event()
        self.commit_may_end.set()
        self.committing = asyncio.Event()
        self.headers: list[NewFile] = []
        self.stored = 0
        """Times that a small document was offered."""
        self.unconfirmed: list[ArtStoreError] = []
        """What is answered although the small document is kept."""
        self.cancelled = 0
        """Uploads that were left without a commit."""
        self.answers: FileAttributes | None = None
        """What is answered instead of the truth."""

    @asynccontextmanager
    async def upload(self, new_file: NewFile, *, on_behalf_of: Identity | None) -> AsyncIterator[FakeUpload]:
        if self.refuses_header:
            raise self.refuses_header
        self.headers.append(new_file)
        upload = FakeUpload(self, new_file)
        try:
            yield upload
        finally:
            self.cancelled += not upload.committed

    async def store(
        self, new_file: NewFile, chunks: Sequence[bytes], commit: UploadCommit, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        self.stored += 1
        if self.refuses_header:
            raise self.refuses_header
        self.headers.append(new_file)
        if self.refuses_chunks:
            raise self.refuses_chunks
        upload = FakeUpload(self, new_file)
        for frame in chunks:
            upload.take(frame)
        file = await upload.commit(commit)
        if self.unconfirmed:
            raise self.unconfirmed.pop(0)
        return file

    async def update(
        self, file_id: FileId, change: FileChange, expected_revision: int, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        file = self._found(file_id)
        changed = replace(file, description=change.description or file.description, revision=file.revision + 1)
        self.files[file_id] = (changed, self.files[file_id][1])
        return self.answers or changed

    async def delete(self, file_id: FileId, expected_revision: int, *, on_behalf_of: Identity | None) -> FileAttributes:
        file = self._found(file_id)
        deleted = replace(file, status=FileStatus.DELETED, revision=file.revision + 1)
        self.files[file_id] = (deleted, b"")
        return self.answers or deleted

    def _found(self, file_id: FileId) -> FileAttributes:
        if self.refuses_change:
            raise self.refuses_change
        if file_id not in self.files:
            raise NotFound("no such file")
        return self.files[file_id][0]


class FakeUpload:
    """Keeps nothing before `commit`."""

    def __init__(self, element: FakeElement, new_file: NewFile) -> None:
        self._element = element
        self._new_file = new_file
        self._content = bytearray()
        self.committed = False

    async def send(self, chunks: AsyncIterator[bytes]) -> None:
        async for frame in chunks:
            if self._element.refuses_chunks:
                raise self._element.refuses_chunks
            self.take(frame)

    def take(self, frame: bytes) -> None:
        self._content += decode_chunk(frame)

    async def commit(self, commit: UploadCommit) -> FileAttributes:
        element, new_file, content = self._element, self._new_file, bytes(self._content)
        if element.refuses_commit:
            raise element.refuses_commit
        if commit.size != len(content):
            raise ChecksumMismatch("another length was declared")
        element.committing.set()
        await element.commit_may_end.wait()
        file = a_file(
            new_file.file_id,
            original_filename=new_file.original_filename,
            retention_policy=new_file.retention_policy,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        element.files[file.file_id] = (file, content)
        self.committed = True
        return element.answers or file


class FakeElements:
    """Fills `Elements`."""

    def __init__(self, elements: dict[ElementAddress, FakeElement]) -> None:
        self._elements = elements

    def client(self, address: ElementAddress) -> FakeElement:
        return self._elements[address]


class FakeIncoming:
    """Fills `Incoming`."""

    def __init__(self, header: NewFile, *chunks: bytes, cut: bool = False) -> None:
        """`cut`: the stream ends without its commit."""
        self.header = header
        self._chunks = chunks
        self._cut = cut
        self.taken = 0
        """Chunks that were asked for."""

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.taken += 1
            yield encode_chunk(chunk)
        if self._cut:
            raise ValidationFailed("the upload ended without its commit frame; nothing was kept")

    @property
    def commit(self) -> UploadCommit:
        return UploadCommit(sum(map(len, self._chunks)))
