from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.elements import Mode
from services.model.errors import (
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    ModeNotAllowed,
    NotFound,
    RangeNotSatisfiable,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import ByteRange, DownloadTrailer, FileChange, FileStatus
from services.model.ids import ElementUuid, StorageId
from services.model.paging import PageRequest
from services.storage.usecases.delete_file import DeleteFile
from services.storage.usecases.describe_element import DescribeElement, Identity
from services.storage.usecases.download_file import DownloadFile, DownloadHeader, Frame
from services.storage.usecases.elect import Alone
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.read_files import GetFile, ListFiles
from services.storage.usecases.update_file import UpdateFile
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.support.storage_store import store
from tests.unit.storage.samples import ANNA, FILE_ID, OTHER_ID, attributes
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"0123456789"


@pytest.fixture
async def stored(files: MemoryFiles) -> MemoryFiles:
    """The element with one file."""
    await store(files, attributes(), DATA)
    return files


@pytest.fixture
def download(gate: ModeGate, stored: MemoryFiles, clock: FakeClock) -> DownloadFile:
    return DownloadFile(gate=gate, files=stored, clock=clock, suspect=lambda file_id: None)


@pytest.fixture
def update(gate: ModeGate, stored: MemoryFiles, clock: FakeClock, finishing: Finishing) -> UpdateFile:
    return UpdateFile(gate=gate, files=stored, clock=clock, finishing=finishing)


@pytest.fixture
def delete(gate: ModeGate, stored: MemoryFiles, clock: FakeClock, finishing: Finishing) -> DeleteFile:
    return DeleteFile(gate=gate, files=stored, clock=clock, finishing=finishing)


async def frames(download: DownloadFile, wanted: ByteRange | None = None) -> list[Frame]:
    async with aclosing(download(FILE_ID, wanted)) as received:
        return [frame async for frame in received]


async def test_a_download_is_header_chunks_and_trailer(download: DownloadFile, stored: MemoryFiles) -> None:
    header, chunk, trailer = await frames(download)
    file = stored.documents[FILE_ID].attributes
    assert header == DownloadHeader(file, None)
    assert chunk == DATA
    assert trailer == DownloadTrailer(10, file.sha256)


async def test_a_range_has_no_digest(download: DownloadFile) -> None:
    header, chunk, trailer = await frames(download, ByteRange(2, 4))
    assert isinstance(header, DownloadHeader)
    assert (header.range, chunk, trailer) == (ByteRange(2, 4), b"234", DownloadTrailer(3, None))


async def test_a_range_over_everything_is_checked_like_everything(download: DownloadFile, stored: MemoryFiles) -> None:
    assert (await frames(download, ByteRange(0, 9)))[-1] == DownloadTrailer(
        10, stored.documents[FILE_ID].attributes.sha256
    )
    stored.bytes[FILE_ID] = b"0123456780"
    with pytest.raises(FileDamaged):
        await frames(download, ByteRange(0, 9))


async def test_damage_never_ends_in_a_trailer(download: DownloadFile, stored: MemoryFiles) -> None:
    stored.bytes[FILE_ID] = b"0123456780"
    frames = download(FILE_ID, None)
    assert isinstance(await anext(frames), DownloadHeader)
    assert await anext(frames) == stored.bytes[FILE_ID]
    with pytest.raises(FileDamaged):
        await anext(frames)


async def test_a_file_of_another_length_is_not_begun(download: DownloadFile, stored: MemoryFiles) -> None:
    stored.bytes[FILE_ID] = DATA[:-1]
    with pytest.raises(FileDamaged):
        await frames(download)


async def test_missing_bytes_are_missing_and_an_unknown_file_not_found(
    download: DownloadFile, stored: MemoryFiles
) -> None:
    stored.bytes.clear()
    with pytest.raises(FileMissing):
        await frames(download)
    stored.documents.clear()
    with pytest.raises(NotFound):
        await frames(download)


async def test_a_deleted_file_is_deleted_even_when_its_bytes_are_gone(
    download: DownloadFile, delete: DeleteFile, stored: MemoryFiles
) -> None:
    await delete(FILE_ID, expected_revision=None, by=ANNA)
    stored.bytes.clear()
    with pytest.raises(FileDeleted):
        await frames(download)


async def test_an_expired_file_is_refused_at_its_instant(download: DownloadFile, clock: FakeClock) -> None:
    clock.advance(timedelta(days=30) - timedelta(milliseconds=1))
    await frames(download)
    clock.advance(timedelta(milliseconds=1))
    with pytest.raises(FileExpired):
        await frames(download)


async def test_a_range_beyond_the_end_is_refused(download: DownloadFile) -> None:
    with pytest.raises(RangeNotSatisfiable):
        await frames(download, ByteRange(5, 10))


async def test_an_archive_serves_attributes_only(download: DownloadFile, gate: ModeGate, stored: MemoryFiles) -> None:
    await become(gate, mode_state(Mode.AR))
    with pytest.raises(ModeNotAllowed):
        await frames(download)
    assert (await GetFile(gate=gate, files=stored)(FILE_ID)).file_id == FILE_ID
    assert (await ListFiles(gate=gate, files=stored, feed=stored.feed)(None, PageRequest())).total == 1


async def test_an_update_changes_the_attributes(update: UpdateFile, stored: MemoryFiles) -> None:
    changed = await update(FILE_ID, FileChange(description="new"), expected_revision=1)
    assert (changed.description, changed.revision) == ("new", 2)
    assert stored.documents[FILE_ID].attributes == changed


async def test_an_update_of_nothing_is_refused(update: UpdateFile) -> None:
    with pytest.raises(ValidationFailed):
        await update(FILE_ID, FileChange(), expected_revision=None)


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR])
async def test_where_nothing_is_written_nothing_is_updated(update: UpdateFile, gate: ModeGate, mode: Mode) -> None:
    await become(gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await update(FILE_ID, FileChange(description="new"), expected_revision=None)


@pytest.mark.parametrize("mode", [Mode.RW, Mode.RO, Mode.AR])
async def test_files_are_deleted_on_edit_only(delete: DeleteFile, gate: ModeGate, mode: Mode) -> None:
    await become(gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await delete(FILE_ID, expected_revision=None, by=ANNA)


async def test_a_deletion_can_be_repeated(delete: DeleteFile) -> None:
    first = await delete(FILE_ID, expected_revision=1, by=ANNA)
    assert first.status is FileStatus.DELETED
    assert await delete(FILE_ID, expected_revision=1, by=ANNA) == first


async def test_what_is_not_there_is_not_changed(update: UpdateFile, delete: DeleteFile) -> None:
    with pytest.raises(NotFound):
        await update(OTHER_ID, FileChange(description="x"), expected_revision=None)
    with pytest.raises(NotFound):
        await delete(OTHER_ID, expected_revision=None, by=ANNA)


async def test_an_element_describes_itself(gate: ModeGate, stored: MemoryFiles) -> None:
    identity = Identity(StorageId("se-1"), ElementUuid("9a09e694-c28b-424f-84ed-ec496ad78734"), "1.2.3", 1 << 30)
    describe = DescribeElement(identity=identity, gate=gate, files=stored, standing=Alone(stored))
    info = await describe()
    assert (info.storage_id, info.mode, info.used_bytes, info.writable) == ("se-1", Mode.EDIT, 10, True)
    assert info.files == {FileStatus.ACTIVE: 1}
    assert info.available_bytes == info.capacity_bytes - 10
    stored.writable = False
    info = await describe()
    assert (info.writable, info.available_bytes) == (False, 0), "nothing is placed where nothing is written"


async def test_a_listing_is_refused_while_it_would_be_a_part(gate: ModeGate, stored: MemoryFiles) -> None:
    stored.index_complete = False
    with pytest.raises(StorageUnavailable):
        await ListFiles(gate=gate, files=stored, feed=stored.feed)(None, PageRequest())


async def test_a_status_that_was_written_down_counts_in_listings(gate: ModeGate, stored: MemoryFiles) -> None:
    document = stored.documents[FILE_ID]
    stored.documents[FILE_ID] = replace(document, attributes=replace(document.attributes, status=FileStatus.EXPIRED))
    listing = ListFiles(gate=gate, files=stored, feed=stored.feed)
    assert (await listing(FileStatus.EXPIRED, PageRequest())).total == 1
    assert (await listing(FileStatus.ACTIVE, PageRequest())).total == 0
