"""One document's way in, as the use case decides it. Small ones, which need no stream: `test_small_documents`."""

from __future__ import annotations

import asyncio

import pytest

from services.ingester.usecases.upload_file import UploadFile
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    DeadlineExceeded,
    InternalError,
    MetadataTooLarge,
    ModeNotAllowed,
    NoElementAvailable,
    ServiceUnavailable,
    StorageFull,
    StorageUnavailable,
    Unauthorized,
    ValidationFailed,
)
from services.model.files import NewFile, RetentionPolicy
from tests.doubles.documents import SOMEBODY, a_file, an_element, new_id
from tests.doubles.ingester import FakeDirectory, FakeElement, FakeElements, FakeIncoming

NEW = NewFile("a.pdf", RetentionPolicy.PERMANENT, declared_size=6)


class Ground:
    """Two elements, the first the better one."""

    def __init__(self) -> None:
        self.first, self.second = FakeElement(), FakeElement()
        self.addresses = an_element("se-rw-01"), an_element("se-rw-02")
        self.directory = FakeDirectory(*self.addresses)
        elements = FakeElements(dict(zip(self.addresses, (self.first, self.second), strict=True)))
        self.upload = UploadFile(directory=self.directory, elements=elements, new_id=new_id, small=0)


@pytest.fixture
def ground() -> Ground:
    return Ground()


async def test_a_document_goes_to_the_best_element_and_is_registered(ground: Ground) -> None:
    file = await ground.upload(FakeIncoming(NEW, b"abc", b"def"), by=SOMEBODY)
    assert ground.first.files[file.file_id] == (file, b"abcdef")
    assert ground.directory.rows[file.file_id] == (ground.addresses[0], file)
    assert ground.directory.asked == [(RetentionPolicy.PERMANENT, 6)]
    assert ground.second.headers == []


async def test_an_empty_document_is_a_document(ground: Ground) -> None:
    file = await ground.upload(FakeIncoming(NewFile("a", RetentionPolicy.PERMANENT)), by=SOMEBODY)
    assert ground.first.files[file.file_id][1] == b""


@pytest.mark.parametrize(
    "refusal",
    [StorageUnavailable("away"), StorageFull("full"), ModeNotAllowed("ro now"), InternalError("disk")],
    ids=lambda e: e.code,
)
async def test_the_next_element_is_tried_with_the_same_id(ground: Ground, refusal: ArtStoreError) -> None:
    ground.first.refuses_header = refusal
    file = await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert file.file_id in ground.second.files
    assert ground.directory.rows[file.file_id][0] == ground.addresses[1]


async def test_a_document_that_no_element_would_take_is_offered_to_one_only(ground: Ground) -> None:
    ground.first.refuses_header = MetadataTooLarge("too much")
    with pytest.raises(MetadataTooLarge):
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.second.headers == []


async def test_once_a_chunk_was_taken_no_other_element_is_tried(ground: Ground) -> None:
    ground.first.refuses_chunks = StorageFull("full")
    document = FakeIncoming(NEW, b"abc", b"def")
    with pytest.raises(StorageFull):
        await ground.upload(document, by=SOMEBODY)
    assert document.taken == 1
    assert ground.second.headers == []
    assert ground.first.cancelled == 1


async def test_while_no_element_has_accepted_no_chunk_is_taken(ground: Ground) -> None:
    ground.first.refuses_header = ground.second.refuses_header = StorageUnavailable("away")
    document = FakeIncoming(NEW, b"abc", b"def")
    with pytest.raises(StorageUnavailable):
        await ground.upload(document, by=SOMEBODY)
    assert document.taken == 0


async def test_without_a_commit_nothing_is_kept(ground: Ground) -> None:
    with pytest.raises(ValidationFailed, match="commit"):
        await ground.upload(FakeIncoming(NEW, b"abc", cut=True), by=SOMEBODY)
    assert (ground.first.files, ground.directory.rows, ground.first.cancelled) == ({}, {}, 1)


@pytest.mark.parametrize("refusal", [NoElementAvailable("none"), ServiceUnavailable("away"), StorageFull("full")])
async def test_without_a_candidate_no_chunk_is_taken(ground: Ground, refusal: ArtStoreError) -> None:
    ground.directory.refuses_to_select = refusal
    document = FakeIncoming(NEW, b"abc")
    with pytest.raises(type(refusal)):
        await ground.upload(document, by=SOMEBODY)
    assert document.taken == 0


async def test_a_wrong_document_is_refused_before_anybody_is_asked(ground: Ground) -> None:
    with pytest.raises(ValidationFailed):
        await ground.upload(FakeIncoming(NewFile("", RetentionPolicy.PERMANENT)), by=SOMEBODY)
    assert ground.directory.asked == []


async def test_a_repetition_goes_where_the_document_lies(ground: Ground) -> None:
    known = a_file()
    ground.directory.rows[known.file_id] = (ground.addresses[1], known)
    await ground.upload(FakeIncoming(NewFile("a", RetentionPolicy.PERMANENT, file_id=known.file_id)), by=SOMEBODY)
    assert ground.directory.asked == []
    assert known.file_id in ground.second.files


async def test_an_own_id_that_nobody_knows_is_a_new_document(ground: Ground) -> None:
    own = new_id()
    file = await ground.upload(FakeIncoming(NewFile("a", RetentionPolicy.PERMANENT, file_id=own)), by=SOMEBODY)
    assert file.file_id == own


@pytest.mark.parametrize("refusal", [ServiceUnavailable("away"), Unauthorized("expired meanwhile")])
async def test_a_document_that_could_not_be_registered_is_told_with_its_id(
    ground: Ground, refusal: ArtStoreError
) -> None:
    ground.directory.refuses_to_register = refusal
    with pytest.raises(ServiceUnavailable) as told:
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    (stored,) = ground.first.files
    assert stored in told.value.message
    assert told.value.retry_after


async def test_a_commit_that_was_not_confirmed_is_told_with_the_id(ground: Ground) -> None:
    ground.first.refuses_commit = StorageUnavailable("no answer")
    with pytest.raises(StorageUnavailable) as told:
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert str(ground.first.headers[0].file_id) in told.value.message


async def test_a_refused_commit_is_told_as_it_is(ground: Ground) -> None:
    ground.first.refuses_commit = ChecksumMismatch("differs")
    with pytest.raises(ChecksumMismatch, match="differs"):
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.directory.rows == {}


async def test_a_sender_that_leaves_after_its_commit_does_not_stop_the_registration(ground: Ground) -> None:
    ground.first.commit_may_end.clear()
    uploading = asyncio.create_task(ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY))
    await ground.first.committing.wait()
    uploading.cancel()
    ground.first.commit_may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert ground.directory.rows.keys() == ground.first.files.keys()
    assert len(ground.directory.rows) == 1


@pytest.mark.parametrize(
    ("refusal", "at_fault"),
    [(StorageUnavailable("away"), True), (InternalError("disk"), True), (StorageFull("full"), False),
     (ModeNotAllowed("ro now"), False)],
    ids=lambda each: getattr(each, "code", str(each)),
)  # fmt: skip
async def test_an_element_that_fails_is_reported_and_one_that_refuses_is_not(
    ground: Ground, refusal: ArtStoreError, at_fault: bool
) -> None:
    ground.first.refuses_header = refusal
    await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.directory.blamed == ([ground.addresses[0].element_id] if at_fault else [])


@pytest.mark.parametrize("step", ["refuses_chunks", "refuses_commit"])
async def test_an_element_that_fails_on_the_way_is_reported(ground: Ground, step: str) -> None:
    setattr(ground.first, step, StorageUnavailable("gone"))
    with pytest.raises(StorageUnavailable):
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.directory.blamed == [ground.addresses[0].element_id]


async def test_a_sender_who_is_late_is_no_fault_of_the_element(ground: Ground) -> None:
    ground.first.refuses_chunks = DeadlineExceeded("nothing was received for 125 seconds")
    with pytest.raises(DeadlineExceeded):
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.directory.blamed == []


async def test_an_element_cannot_write_the_row_of_another_document(ground: Ground) -> None:
    other = a_file()
    ground.first.answers = other
    with pytest.raises(InternalError):
        await ground.upload(FakeIncoming(NEW, b"abcdef"), by=SOMEBODY)
    assert ground.directory.rows == {}
