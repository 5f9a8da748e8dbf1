from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.model.elements import Mode
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    MetadataTooLarge,
    ModeNotAllowed,
    StorageFull,
    ValidationFailed,
)
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId
from services.storage.ports import Bytes
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.store_file import Frame, StoreFile
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, new_file
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"0123456789"
DIGEST = hashlib.sha256(DATA).hexdigest()
MOST = 100


class Uploads:
    """Sends frames to the use case, and knows whether the header was accepted."""

    def __init__(self, store: StoreFile) -> None:
        self._store = store
        self.accepted = 0

    async def __call__(self, *frames: Frame) -> FileAttributes:
        return await self._store(self._frames(frames), by=ANNA, accepted=self._accept)

    async def stream(self, frames: AsyncIterator[Frame]) -> FileAttributes:
        return await self._store(frames, by=ANNA, accepted=self._accept)

    async def _frames(self, frames: tuple[Frame, ...]) -> AsyncIterator[Frame]:
        for frame in frames:
            yield frame

    async def _accept(self) -> None:
        self.accepted += 1


@pytest.fixture
def upload(gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> Uploads:
    return Uploads(StoreFile(gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=MOST))


async def test_header_chunks_and_commit_make_a_file(upload: Uploads, files: MemoryFiles) -> None:
    stored = await upload(new_file(), DATA[:4], memoryview(DATA)[4:], UploadCommit(10, DIGEST))
    assert (stored.size, stored.sha256, stored.uploaded_by, stored.uploaded_at) == (10, DIGEST, ANNA, NOW)
    assert files.bytes[FILE_ID] == DATA
    assert upload.accepted == 1


async def test_an_empty_file_is_a_file(upload: Uploads, files: MemoryFiles) -> None:
    assert (await upload(new_file(declared_size=0), UploadCommit(0))).size == 0


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([], ValidationFailed),
        ([DATA], ValidationFailed),
        ([UploadCommit(0)], ValidationFailed),
        ([new_file(file_id=None)], ValidationFailed),
        ([new_file(original_filename="")], ValidationFailed),
        ([new_file(ttl=timedelta(days=366))], ValidationFailed),
        ([new_file(metadata={"a": float("nan")})], ValidationFailed),
        ([new_file(file_id=FileId("01b20000-0000-7000-8000-000000000000"))], ValidationFailed),
        ([new_file(description="x" * 4000)], MetadataTooLarge),
        ([new_file(declared_size=MOST + 1)], FileTooLarge),
        ([new_file(retention_policy=RetentionPolicy.PERMANENT)], ModeNotAllowed),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_bad_beginning_is_refused_before_any_byte(
    upload: Uploads, files: MemoryFiles, frames: list[Frame], error: type[ArtStoreError]
) -> None:
    with pytest.raises(error):
        await upload(*frames)
    assert upload.accepted == 0
    assert files.documents == {}


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([new_file(), DATA], ValidationFailed),  # no commit: the end of a stream is never success
        ([new_file()], ValidationFailed),
        ([new_file(), DATA, new_file()], ValidationFailed),
        ([new_file(), DATA, UploadCommit(9)], ChecksumMismatch),
        ([new_file(), DATA, UploadCommit(11)], ChecksumMismatch),
        ([new_file(), DATA, UploadCommit(10, "0" * 64)], ChecksumMismatch),
        ([new_file(), DATA, UploadCommit(10, "no digest")], ValidationFailed),
        ([new_file(), DATA, UploadCommit(-1)], ValidationFailed),
        ([new_file(declared_size=9), DATA, UploadCommit(10)], ChecksumMismatch),
        ([new_file(declared_size=11), DATA, UploadCommit(10)], ChecksumMismatch),
        ([new_file(), *[DATA] * 11, UploadCommit(110)], FileTooLarge),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_bad_end_keeps_nothing(
    upload: Uploads, files: MemoryFiles, frames: list[Frame], error: type[ArtStoreError]
) -> None:
    with pytest.raises(error):
        await upload(*frames)
    assert files.documents == {}
    assert files.incoming == 0


async def test_a_full_element_says_so_before_the_bytes(upload: Uploads, files: MemoryFiles) -> None:
    files._free = 9
    with pytest.raises(StorageFull):
        await upload(new_file(declared_size=10), DATA, UploadCommit(10))
    assert upload.accepted == 0


async def test_asking_again_gives_the_same_file(upload: Uploads) -> None:
    frames = new_file(), DATA, UploadCommit(10)
    assert await upload(*frames) == await upload(*frames)
    with pytest.raises(Conflict):
        await upload(new_file(), DATA[::-1], UploadCommit(10))


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR])
async def test_an_element_that_takes_no_uploads_refuses_them(upload: Uploads, gate: ModeGate, mode: Mode) -> None:
    await become(gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await upload(new_file(), DATA, UploadCommit(10))
    assert upload.accepted == 0


async def test_an_upload_under_way_does_not_commit_after_the_mode_has_changed(
    upload: Uploads, gate: ModeGate, files: MemoryFiles
) -> None:
    async def frames() -> AsyncIterator[Frame]:
        yield new_file()
        yield DATA
        await become(gate, mode_state(Mode.RO))
        yield UploadCommit(10)

    with pytest.raises(ModeNotAllowed):
        await upload.stream(frames())
    assert files.documents == {}


async def test_an_upload_for_edit_does_not_commit_on_rw(upload: Uploads, gate: ModeGate, files: MemoryFiles) -> None:
    async def frames() -> AsyncIterator[Frame]:
        yield new_file()
        yield DATA
        await become(gate, mode_state(Mode.RW))
        yield UploadCommit(10)

    with pytest.raises(ModeNotAllowed):
        await upload.stream(frames())
    assert files.documents == {}


async def test_a_caller_that_leaves_before_the_commit_leaves_nothing(upload: Uploads, files: MemoryFiles) -> None:
    waiting = asyncio.Event()

    async def frames() -> AsyncIterator[NewFile | Bytes]:
        yield new_file()
        yield DATA
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(upload.stream(frames()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (files.documents, files.incoming) == ({}, 0)


async def test_a_commit_that_has_begun_ends_even_if_the_caller_leaves(
    upload: Uploads, files: MemoryFiles, finishing: Finishing
) -> None:
    files.commits.clear()
    task = asyncio.create_task(upload(new_file(), DATA, UploadCommit(10)))
    await files.committing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files.documents == {}
    files.commits.set()
    await finishing.ended()
    assert files.bytes == {FILE_ID: DATA}
