from __future__ import annotations

import asyncio
import hashlib
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
from services.storage.domain.uploads import MAX_CHUNK_BYTES
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.store_small_file import Offered, StoreSmallFile, StoreSmallFiles
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, new_file
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"0123456789"
DIGEST = hashlib.sha256(DATA).hexdigest()
WELL = UploadCommit(10, DIGEST)


@pytest.fixture
def store(gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> StoreSmallFile:
    return StoreSmallFile(gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=MAX_CHUNK_BYTES)


async def test_header_content_and_digest_make_a_file(store: StoreSmallFile, files: MemoryFiles) -> None:
    file = await store(Offered(new_file(declared_size=10), DATA, WELL), by=ANNA)
    assert (file.size, file.sha256, file.uploaded_by, file.uploaded_at) == (10, DIGEST, ANNA, NOW)
    assert files.bytes[FILE_ID] == DATA


async def test_asking_again_gives_the_same_file(store: StoreSmallFile) -> None:
    same = Offered(new_file(), DATA, WELL)
    assert await store(same, by=ANNA) == await store(same, by=ANNA)
    with pytest.raises(Conflict):
        await store(Offered(new_file(), DATA[::-1], UploadCommit(10)), by=ANNA)


@pytest.mark.parametrize(
    ("new", "content", "commit", "error"),
    [
        (new_file(file_id=None), DATA, WELL, ValidationFailed),
        (new_file(original_filename=""), DATA, WELL, ValidationFailed),
        (new_file(ttl=timedelta(days=366)), DATA, WELL, ValidationFailed),
        (new_file(file_id=FileId("01b20000-0000-7000-8000-000000000000")), DATA, WELL, ValidationFailed),
        (new_file(description="x" * 4000), DATA, WELL, MetadataTooLarge),
        (new_file(retention_policy=RetentionPolicy.PERMANENT), DATA, WELL, ModeNotAllowed),
        (new_file(declared_size=MAX_CHUNK_BYTES + 1), DATA, WELL, FileTooLarge),
        (new_file(), bytes(MAX_CHUNK_BYTES + 1), UploadCommit(MAX_CHUNK_BYTES + 1), ValidationFailed),
        (new_file(), DATA, UploadCommit(9), ChecksumMismatch),
        (new_file(), DATA, UploadCommit(0), ChecksumMismatch),
        (new_file(), DATA, UploadCommit(-1), ValidationFailed),
        (new_file(), DATA, UploadCommit(10, "0" * 64), ChecksumMismatch),
        (new_file(), DATA, UploadCommit(10, "no digest"), ValidationFailed),
        (new_file(declared_size=9), DATA, WELL, ChecksumMismatch),
        (new_file(declared_size=11), DATA, WELL, ChecksumMismatch),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_what_is_wrong_is_refused_and_nothing_is_kept(
    store: StoreSmallFile,
    files: MemoryFiles,
    new: NewFile,
    content: bytes,
    commit: UploadCommit,
    error: type[ArtStoreError],
) -> None:
    with pytest.raises(error):
        await store(Offered(new, content, commit), by=ANNA)
    assert (files.documents, files.incoming) == ({}, 0)


async def test_the_element_s_own_limit_holds_for_small_files_too(
    gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing
) -> None:
    store = StoreSmallFile(gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=9)
    with pytest.raises(FileTooLarge):
        await store(Offered(new_file(), DATA, WELL), by=ANNA)
    assert files.documents == {}


async def test_a_full_element_says_so(store: StoreSmallFile, files: MemoryFiles) -> None:
    files._free = 9
    with pytest.raises(StorageFull):
        await store(Offered(new_file(), DATA, WELL), by=ANNA)


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR, Mode.RW])
async def test_the_mode_decides(store: StoreSmallFile, gate: ModeGate, files: MemoryFiles, mode: Mode) -> None:
    await become(gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await store(Offered(new_file(), DATA, WELL), by=ANNA)
    assert files.documents == {}


async def test_a_file_that_waited_for_a_change_of_mode_is_not_kept_after_it(
    store: StoreSmallFile, gate: ModeGate, files: MemoryFiles
) -> None:
    changing, go_on = asyncio.Event(), asyncio.Event()

    async def keep(state: object) -> None:
        changing.set()
        await go_on.wait()

    change = asyncio.create_task(gate.change(lambda present: mode_state(Mode.RO), keep))
    await changing.wait()
    storing = asyncio.create_task(store(Offered(new_file(), DATA, WELL), by=ANNA))
    await asyncio.sleep(0)
    go_on.set()
    await change
    with pytest.raises(ModeNotAllowed):
        await storing
    assert files.documents == {}


async def test_what_has_begun_ends_even_if_the_caller_leaves(
    store: StoreSmallFile, files: MemoryFiles, finishing: Finishing
) -> None:
    files.commits.clear()
    task: asyncio.Task[FileAttributes] = asyncio.create_task(store(Offered(new_file(), DATA, WELL), by=ANNA))
    await files.committing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    files.commits.set()
    await finishing.ended()
    assert files.bytes == {FILE_ID: DATA}


OTHER_ID = FileId("01936f43-1234-7000-8000-000000000001")


@pytest.fixture
def store_all(store: StoreSmallFile, gate: ModeGate, files: MemoryFiles, finishing: Finishing) -> StoreSmallFiles:
    return StoreSmallFiles(store, gate=gate, files=files, finishing=finishing)


async def test_of_several_each_has_its_own_outcome(store_all: StoreSmallFiles, files: MemoryFiles) -> None:
    misunderstood = ValidationFailed("not understood")
    offered: list[Offered | ArtStoreError] = [
        Offered(new_file(), DATA, WELL),
        misunderstood,
        Offered(new_file(file_id=None), DATA, WELL),
        Offered(new_file(file_id=OTHER_ID), DATA, UploadCommit(10, "0" * 64)),
        Offered(new_file(), DATA[::-1], UploadCommit(10)),
        Offered(new_file(retention_policy=RetentionPolicy.PERMANENT, ttl=None), DATA, WELL),
        Offered(new_file(), DATA, WELL),
    ]
    first, second, *refused, again = await store_all(offered, by=ANNA)
    assert isinstance(first, FileAttributes)
    assert (first.uploaded_by, again, second) == (ANNA, first, misunderstood)
    assert list(map(type, refused)) == [ValidationFailed, ChecksumMismatch, Conflict, ModeNotAllowed]
    assert files.bytes == {FILE_ID: DATA}


async def test_several_that_waited_for_a_change_of_mode_are_not_kept_after_it(
    store_all: StoreSmallFiles, gate: ModeGate, files: MemoryFiles
) -> None:
    changing, go_on = asyncio.Event(), asyncio.Event()

    async def keep(state: object) -> None:
        changing.set()
        await go_on.wait()

    change = asyncio.create_task(gate.change(lambda present: mode_state(Mode.RO), keep))
    await changing.wait()
    wrong = Offered(new_file(file_id=None), DATA, WELL)
    storing = asyncio.create_task(store_all([Offered(new_file(), DATA, WELL), wrong], by=ANNA))
    await asyncio.sleep(0)
    go_on.set()
    await change
    assert list(map(type, await storing)) == [ModeNotAllowed, ValidationFailed]
    assert files.documents == {}
