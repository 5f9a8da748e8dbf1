"""Registering documents, and reports that one is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admin.domain.registry import Entry, is_plainly_fit, problems_of, supersedes
from services.admin.usecases.mark_missing import MarkMissing
from services.admin.usecases.register_file import LocateFile, RegisterFile
from services.model.elements import ElementInfo
from services.model.errors import (
    ArtStoreError,
    DeadlineExceeded,
    FileDeleted,
    FileExpired,
    Forbidden,
    InternalError,
    NotFound,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import ElementUuid
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.element_peer import FakeElementPeer
from tests.support.admin_things import NOW, file, info, record, temporary

ELEMENT = record("se-rw-01")


class House:
    """A registry, and the one element that its documents lie on."""

    def __init__(self) -> None:
        self.elements = MemoryElements(ELEMENT)
        self.registry = MemoryRegistry(self.elements)
        self.peer = FakeElementPeer()
        self.peer.at[ELEMENT.endpoint] = ELEMENT.info
        self.register = RegisterFile(registry=self.registry)
        self.locate = LocateFile(registry=self.registry)
        self.mark_missing = MarkMissing(registry=self.registry, elements=self.elements, peer=self.peer)

    async def registered(self, one: FileAttributes) -> FileAttributes:
        return await self.register(Entry(ELEMENT.element_id, one))


@pytest.fixture
def house() -> House:
    return House()


async def test_a_registered_document_is_located(house: House) -> None:
    one = file()
    assert await house.registered(one) == one
    located = await house.locate(one.file_id)
    assert (located.file, located.element) == (one, ELEMENT.address)


async def test_an_unknown_document_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.locate(file().file_id)
    with pytest.raises(NotFound):
        await house.mark_missing(file().file_id)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (file(size=-1), "size"),
        (file(size=2**63), "size"),
        (file(sha256="9F" * 32), "sha256"),
        (file(sha256=""), "sha256"),
        (file(revision=0), "revision"),
        (file(original_filename="a\0b"), "filename"),
        (file(original_filename=""), "filename"),
        (file(tags=("\0",)), "tags"),
        (file(metadata={"a": "\0"}), "metadata"),
        (file(metadata={"a": float("inf")}), "metadata"),
        (file(description="\ud800"), "description"),
        (file(uploaded_by=""), "uploaded_by"),
        (file(content_type="a\0"), "uploaded_by"),
        (file(expires_at=NOW), "expires_at"),
        (temporary(expires_at=None), "expires_at"),
    ],
)
async def test_what_no_registry_can_hold_is_refused(house: House, wrong: FileAttributes, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await house.registered(wrong)
    assert field in [problem.field for problem in refused.value.details]
    assert house.registry.rows == {}


ACTIVE, MISSING, DELETED = FileStatus.ACTIVE, FileStatus.MISSING, FileStatus.DELETED


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ((1, ACTIVE), (2, ACTIVE), True),
        ((1, ACTIVE), (2, MISSING), True),
        ((2, ACTIVE), (1, DELETED), False),
        ((1, ACTIVE), (1, DELETED), False),
        ((1, MISSING), (1, ACTIVE), True),
        ((1, MISSING), (1, DELETED), True),
        ((1, MISSING), (1, MISSING), False),
        ((2, MISSING), (1, ACTIVE), False),
    ],
)
def test_which_row_wins(old: tuple[int, FileStatus], new: tuple[int, FileStatus], replaces: bool) -> None:
    one = file()
    before, after = (replace(one, revision=revision, status=status) for revision, status in (old, new))
    assert supersedes(after, before) is replaces


async def test_a_document_that_its_element_does_not_know_is_marked(house: House) -> None:
    one = await house.registered(file())
    assert await house.mark_missing(one.file_id) == replace(one, status=MISSING)
    assert (await house.locate(one.file_id)).file.status is MISSING
    assert await house.mark_missing(one.file_id) == replace(one, status=MISSING)


async def test_a_document_that_its_element_still_has_is_not_marked(house: House) -> None:
    one = await house.registered(file())
    house.peer.files[one.file_id] = one
    assert await house.mark_missing(one.file_id) == one


async def test_a_row_is_brought_up_to_what_the_element_says(house: House) -> None:
    one = await house.registered(file())
    deleted = replace(one, status=DELETED, deleted_at=NOW, revision=2, updated_at=NOW + timedelta(hours=1))
    house.peer.files[one.file_id] = deleted
    assert await house.mark_missing(one.file_id) == deleted
    assert (await house.locate(one.file_id)).file == deleted


@pytest.mark.parametrize(
    ("end", "status"), [(FileDeleted("destroyed"), DELETED), (FileExpired("destroyed"), FileStatus.EXPIRED)]
)
async def test_what_the_element_says_it_destroyed_is_not_called_missing(
    house: House, end: ArtStoreError, status: FileStatus
) -> None:
    one = await house.registered(file())
    house.peer.files[one.file_id] = end
    for _ in range(2):
        assert await house.mark_missing(one.file_id) == replace(one, status=status, revision=2)
    assert (await house.locate(one.file_id)).file.status is status


async def test_a_missing_document_that_is_back_becomes_active_again(house: House) -> None:
    one = await house.registered(file())
    await house.mark_missing(one.file_id)
    house.peer.files[one.file_id] = one
    assert await house.mark_missing(one.file_id) == one


@pytest.mark.parametrize(
    "error", [StorageUnavailable("x"), DeadlineExceeded("x"), InternalError("x"), Forbidden("x")], ids=lambda e: e.code
)
async def test_an_element_that_cannot_tell_changes_nothing(house: House, error: ArtStoreError) -> None:
    one = await house.registered(file())
    house.peer.files[one.file_id] = error
    with pytest.raises(StorageUnavailable):
        await house.mark_missing(one.file_id)
    assert (await house.locate(one.file_id)).file == one


async def test_an_element_that_answers_for_another_file_is_not_believed(house: House) -> None:
    one = await house.registered(file())
    house.peer.files[one.file_id] = file()
    with pytest.raises(StorageUnavailable):
        await house.mark_missing(one.file_id)
    assert (await house.locate(one.file_id)).file == one


@pytest.mark.parametrize(
    "now_there",
    [info(element_uuid=ElementUuid("0706e15a-324b-5f79-854f-dd19d9d7bd8b")), StorageUnavailable("gone")],
    ids=["another directory", "gone"],
)
async def test_an_element_that_came_back_empty_proves_nothing(
    house: House, now_there: ElementInfo | ArtStoreError
) -> None:
    one = await house.registered(file())
    house.peer.afterwards[ELEMENT.endpoint] = now_there
    with pytest.raises(StorageUnavailable):
        await house.mark_missing(one.file_id)
    assert (await house.locate(one.file_id)).file == one


async def test_a_nonsensical_answer_is_not_registered(house: House) -> None:
    one = await house.registered(file())
    house.peer.files[one.file_id] = replace(one, revision=2, sha256="nonsense")
    with pytest.raises(StorageUnavailable, match="cannot tell"):
        await house.mark_missing(one.file_id)
    assert (await house.locate(one.file_id)).file == one


@pytest.mark.parametrize(
    "values",
    [
        {"size": -1}, {"size": 2**63}, {"revision": 0}, {"revision": 2**63}, {"epoch": -1}, {"epoch": 2**63},
        {"sha256": "4" * 63}, {"sha256": "A" * 64}, {"uploaded_by": ""}, {"uploaded_by": "a\0"},
        {"uploaded_by": "ж" * 1024}, {"content_type": "x" * 3000}, {"deleted_by": "x\0"}, {"original_filename": ""},
        {"tags": ("",)}, {"metadata": {"a": float("nan")}}, {"metadata": {"a": ["\0"]}}, {"metadata": {"a\0": 1}},
        {"expires_at": NOW}, {"retention_policy": RetentionPolicy.TEMPORARY},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_row_can_hold_is_not_fit(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        Entry(record().element_id, file(**values)).check()
    Entry(record().element_id, file(uploaded_by="ж" * 1000, epoch=2**63 - 1, revision=2**63 - 1)).check()


NASTY = st.text(st.characters(codec=None), max_size=3) | st.sampled_from(
    ["a\0", "\ud800", "\x01", "", "ж" * 1025, "x" * 101]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
)
NUMBERS = st.integers() | st.sampled_from([-1, 0, 1, 2**63 - 1, 2**63])


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "original_filename": NASTY,
    "description": NASTY,
    "content_type": NASTY,
    "uploaded_by": NASTY | st.just("ж" * 1024),
    "deleted_by": NASTY,
    "tags": st.lists(NASTY, max_size=3).map(tuple) | st.sampled_from([("a",) * 101, ("x" * 101,)]),
    "metadata": st.dictionaries(NASTY, JSON, max_size=3),
    "size": NUMBERS,
    "revision": NUMBERS,
    "epoch": NUMBERS,
    "sha256": st.text("0123456789abcdefA\n", min_size=63, max_size=65),
    "expires_at": st.just(NOW),
    "retention_policy": st.sampled_from(RetentionPolicy),
}


@given(st.one_of(*(st.fixed_dictionaries({name: values}) for name, values in FIELDS.items())))
def test_what_is_seen_to_be_fit_at_once_is_fit_when_looked_at_closely(values: dict[str, Any]) -> None:
    one = file(**values)
    assert not is_plainly_fit(one) or problems_of(one) == []
    assert is_plainly_fit(file()), "an ordinary one is seen to be at once"
