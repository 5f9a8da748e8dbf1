"""A small document is read first and offered whole."""

from __future__ import annotations

import asyncio

import pytest

from services.ingester.usecases.upload_file import UploadFile
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    MetadataTooLarge,
    ModeNotAllowed,
    NoElementAvailable,
    StorageFull,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import NewFile, RetentionPolicy
from tests.doubles.documents import SOMEBODY, an_element, new_id
from tests.doubles.ingester import FakeDirectory, FakeElement, FakeElements, FakeIncoming

NEW = NewFile("a.pdf", RetentionPolicy.PERMANENT)
UNKNOWN = StorageUnavailable.unconfirmed("no answer")
SMALL = 100


class Ground:
    """Two elements, the first the better one."""

    def __init__(self) -> None:
        self.first, self.second = FakeElement(), FakeElement()
        self.addresses = an_element("se-rw-01"), an_element("se-rw-02")
        self.directory = FakeDirectory(*self.addresses)
        elements = FakeElements(dict(zip(self.addresses, (self.first, self.second), strict=True)))
        self.upload = UploadFile(directory=self.directory, elements=elements, new_id=new_id, small=SMALL)


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.mark.parametrize("chunks", [[], [b"abc"], [b"abc", b"def"], [b"x" * 90]])
async def test_it_is_one_call_to_the_element(ground: Ground, chunks: list[bytes]) -> None:
    file = await ground.upload(FakeIncoming(NEW, *chunks), by=SOMEBODY)
    assert ground.first.files[file.file_id] == (file, b"".join(chunks))
    assert ground.directory.rows[file.file_id] == (ground.addresses[0], file)
    assert ground.first.stored == 1


@pytest.mark.parametrize("declared", [None, 270, 10])
async def test_one_that_turns_out_larger_is_streamed_from_its_beginning(ground: Ground, declared: int | None) -> None:
    new_file = NewFile("a", RetentionPolicy.PERMANENT, declared_size=declared)
    file = await ground.upload(FakeIncoming(new_file, b"a" * 90, b"b" * 90, b"c" * 90), by=SOMEBODY)
    assert ground.first.files[file.file_id][1] == b"a" * 90 + b"b" * 90 + b"c" * 90
    assert ground.first.stored == 0


async def test_one_that_is_declared_larger_is_not_read_before_it_is_accepted(ground: Ground) -> None:
    ground.first.refuses_header = ground.second.refuses_header = StorageFull("full")
    document = FakeIncoming(NewFile("a", RetentionPolicy.PERMANENT, declared_size=SMALL + 1), b"x")
    with pytest.raises(StorageFull):
        await ground.upload(document, by=SOMEBODY)
    assert document.taken == 0


@pytest.mark.parametrize("where", ["refuses_header", "refuses_chunks"])
@pytest.mark.parametrize(
    "refusal", [StorageUnavailable("away"), StorageFull("full"), ModeNotAllowed("ro now")], ids=lambda e: e.code
)
async def test_the_next_element_is_tried_with_the_same_id(ground: Ground, refusal: ArtStoreError, where: str) -> None:
    setattr(ground.first, where, refusal)
    file = await ground.upload(FakeIncoming(NEW, b"abc"), by=SOMEBODY)
    assert file.file_id in ground.second.files
    assert ground.directory.rows[file.file_id][0] == ground.addresses[1]
    assert (ground.first.stored, ground.second.stored) == (1, 1)


@pytest.mark.parametrize("refusal", [MetadataTooLarge("too much"), ChecksumMismatch("differs")], ids=lambda e: e.code)
async def test_what_no_element_would_take_is_offered_to_one_only(ground: Ground, refusal: ArtStoreError) -> None:
    ground.first.refuses_chunks = refusal
    with pytest.raises(type(refusal)):
        await ground.upload(FakeIncoming(NEW, b"abc"), by=SOMEBODY)
    assert (ground.second.stored, ground.directory.rows) == (0, {})


async def test_where_no_answer_came_the_same_element_is_asked_again(ground: Ground) -> None:
    ground.first.unconfirmed = [UNKNOWN]
    file = await ground.upload(FakeIncoming(NEW, b"abc"), by=SOMEBODY)
    assert (ground.first.stored, ground.second.stored) == (2, 0)
    assert list(ground.directory.rows) == [file.file_id] == list(ground.first.files)


@pytest.mark.parametrize("second", [UNKNOWN, StorageFull("full"), StorageUnavailable("away")], ids=lambda e: e.code)
async def test_what_may_have_been_kept_is_offered_to_no_other_element(ground: Ground, second: ArtStoreError) -> None:
    """Else two elements would have a file of one id."""
    ground.first.unconfirmed = [UNKNOWN, second]
    with pytest.raises(StorageUnavailable) as told:
        await ground.upload(FakeIncoming(NEW, b"abc"), by=SOMEBODY)
    assert told.value.outcome_unknown
    assert str(ground.first.headers[0].file_id) in told.value.message
    assert ground.second.stored == 0
    assert ground.directory.blamed == [ground.addresses[0].element_id]


async def test_without_its_commit_it_is_offered_to_nobody(ground: Ground) -> None:
    with pytest.raises(ValidationFailed, match="commit"):
        await ground.upload(FakeIncoming(NEW, b"abc", cut=True), by=SOMEBODY)
    assert (ground.first.stored, ground.directory.rows) == (0, {})


async def test_without_a_candidate_it_is_not_read(ground: Ground) -> None:
    ground.directory.refuses_to_select = NoElementAvailable("none")
    document = FakeIncoming(NEW, b"abc")
    with pytest.raises(NoElementAvailable):
        await ground.upload(document, by=SOMEBODY)
    assert document.taken == 0


async def test_a_sender_that_leaves_after_its_commit_does_not_stop_the_registration(ground: Ground) -> None:
    ground.first.commit_may_end.clear()
    uploading = asyncio.create_task(ground.upload(FakeIncoming(NEW, b"abc"), by=SOMEBODY))
    await ground.first.committing.wait()
    uploading.cancel()
    ground.first.commit_may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert len(ground.directory.rows) == 1
