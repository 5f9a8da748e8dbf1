"""Whether content is handed out, and what happens where the registry and the element disagree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import (
    ArtStoreError,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    NotFound,
    RangeNotSatisfiable,
    ServiceUnavailable,
    StorageUnavailable,
)
from services.model.files import ByteRange, FileAttributes, FileStatus
from services.model.ids import FileId
from services.query.usecases.download_file import DownloadFile
from services.query.usecases.get_file import GetFile
from tests.doubles.clock import FakeClock
from tests.doubles.documents import NOON, SOMEBODY, a_file, an_element, new_id
from tests.doubles.query import FakeElement, FakeElements, FakeRepairs, MemoryRegistry

OTHER = FileId("0198c0de-0000-7000-8000-000000000000")


class Ground:
    """One registered document of ten bytes on one element."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.registry, self.element = MemoryRegistry(), FakeElement()
        self.repairs = FakeRepairs(self.registry)
        self.file = a_file(size=10)
        self.element.files[self.file.file_id] = (self.file, b"0123456789")
        self.download = DownloadFile(
            registry=self.registry, elements=FakeElements(self.element), repairs=self.repairs, clock=self.clock
        )
        self.get = GetFile(registry=self.registry, clock=self.clock)

    async def register(self, **changes: object) -> FileAttributes:
        file = replace(self.file, **changes)  # type: ignore[arg-type]
        await self.registry.add(file, an_element())
        return file

    async def read(self, wanted: ByteRange | None = None) -> int:
        """How many frames came."""
        async with self.download(self.file.file_id, wanted, by=SOMEBODY) as download:
            return len([frame async for frame in download.frames()])


@pytest.fixture
async def ground() -> Ground:
    made = Ground()
    await made.register()
    return made


async def test_an_active_document_is_handed_out(ground: Ground) -> None:
    assert await ground.read() == 4
    assert ground.element.open == 0


async def test_a_part_is_handed_out(ground: Ground) -> None:
    assert await ground.read(ByteRange(4, 7)) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [(FileStatus.DELETED, FileDeleted), (FileStatus.EXPIRED, FileExpired), (FileStatus.MISSING, FileMissing),
     (FileStatus.DAMAGED, FileDamaged)],
)  # fmt: skip
async def test_what_is_not_active_is_refused_without_asking_the_element(
    ground: Ground, status: FileStatus, error: type[ArtStoreError]
) -> None:
    await ground.register(status=status)
    with pytest.raises(error):
        await ground.read()
    assert ground.element.asked == 0


async def test_a_document_is_refused_at_its_very_end(ground: Ground) -> None:
    await ground.register(expires_at=NOON + timedelta(seconds=1))
    await ground.read()
    ground.clock.advance(1)
    with pytest.raises(FileExpired):
        await ground.read()


async def test_an_unknown_document_is_not_found(ground: Ground) -> None:
    ground.registry.records.clear()
    with pytest.raises(NotFound):
        await ground.read()
    with pytest.raises(NotFound):
        await ground.get(new_id())


@pytest.mark.parametrize("wanted", [ByteRange(10, 10), ByteRange(0, 10), ByteRange(50, 60)])
async def test_a_range_beyond_the_end_is_refused_without_asking_the_element(ground: Ground, wanted: ByteRange) -> None:
    with pytest.raises(RangeNotSatisfiable):
        await ground.read(wanted)
    assert ground.element.asked == 0


async def test_an_element_that_is_away_changes_no_row(ground: Ground) -> None:
    ground.element.refuses = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await ground.read()
    assert ground.repairs.marked == []


@pytest.mark.parametrize(
    ("finds", "error"),
    [(FileStatus.MISSING, FileMissing), (FileStatus.DELETED, FileDeleted), (FileStatus.ACTIVE, StorageUnavailable)],
)
async def test_a_document_that_its_element_does_not_know_is_reported_and_answered_by_the_fresh_row(
    ground: Ground, finds: FileStatus, error: type[ArtStoreError]
) -> None:
    ground.element.files.clear()
    ground.repairs.finds = finds
    with pytest.raises(error):
        await ground.read()
    assert ground.repairs.marked == [ground.file.file_id]


async def test_without_admin_a_lost_document_is_missing_all_the_same(ground: Ground) -> None:
    ground.element.files.clear()
    ground.repairs.refuses = ServiceUnavailable("away")
    with pytest.raises(FileMissing):
        await ground.read()


async def test_a_reader_that_leaves_closes_the_download(ground: Ground) -> None:
    with pytest.raises(KeyError):
        async with ground.download(ground.file.file_id, None, by=SOMEBODY):
            raise KeyError
    assert ground.element.open == 0


async def test_metadata_are_told_whatever_the_status(ground: Ground) -> None:
    for status in FileStatus:
        await ground.register(status=status)
        assert (await ground.get(ground.file.file_id)).status is status
    await ground.register(expires_at=NOON)
    assert (await ground.get(ground.file.file_id)).status is FileStatus.EXPIRED


@pytest.mark.parametrize(
    "what", [{"sha256": "0" * 64}, {"size": 11}, {"file_id": OTHER}], ids=lambda what: next(iter(what))
)
async def test_content_other_than_was_registered_is_not_served(ground: Ground, what: dict[str, object]) -> None:
    """Whoever rewrites bytes and attributes together deceives the element, not the registry."""
    ground.element.files[ground.file.file_id] = (replace(ground.file, **what), b"0123456789")  # type: ignore[arg-type]
    with pytest.raises(FileDamaged):
        await ground.read()
    assert ground.element.open == 0


@pytest.mark.parametrize("refusal", [FileDeleted("gone"), FileExpired("gone")], ids=lambda error: error.code)
async def test_what_the_element_has_ended_is_ended_in_the_registry_too(ground: Ground, refusal: ArtStoreError) -> None:
    ground.element.refuses = refusal
    ground.repairs.finds = FileStatus.DELETED
    with pytest.raises(FileDeleted):
        await ground.read()
    assert ground.repairs.marked == [ground.file.file_id]
