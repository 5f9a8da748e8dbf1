"""The ingester's decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingester.domain import another_may_take_it, answer_to, prepared
from services.model.errors import (
    ERRORS,
    ArtStoreError,
    ErrorCode,
    FileTooLarge,
    NoElementAvailable,
    StorageFull,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import NewFile, RetentionPolicy
from tests.doubles.documents import new_id

PERMANENT = NewFile("a.pdf", RetentionPolicy.PERMANENT)
TEMPORARY = NewFile("a.pdf", RetentionPolicy.TEMPORARY)


def test_a_document_without_an_id_is_given_one() -> None:
    made = new_id()
    assert prepared(PERMANENT, made).file_id == made


def test_the_senders_own_id_is_kept() -> None:
    own = new_id()
    assert prepared(NewFile("a.pdf", RetentionPolicy.PERMANENT, file_id=own), new_id()).file_id == own


def test_a_temporary_document_lives_thirty_days_unless_it_says_otherwise() -> None:
    assert prepared(TEMPORARY, new_id()).ttl == timedelta(days=30)
    assert prepared(PERMANENT, new_id()).ttl is None


@pytest.mark.parametrize("days", [1, 365])
def test_whole_days_up_to_a_year_are_taken(days: int) -> None:
    new_file = NewFile("a.pdf", RetentionPolicy.TEMPORARY, ttl=timedelta(days=days))
    assert prepared(new_file, new_id()).ttl == timedelta(days=days)


@pytest.mark.parametrize(
    "ttl",
    [timedelta(0), timedelta(seconds=30), timedelta(days=1, seconds=1), timedelta(days=366), timedelta(days=-1)],
    ids=str,
)
def test_any_other_life_time_is_refused_by_name(ttl: timedelta) -> None:
    with pytest.raises(ValidationFailed) as refused:
        prepared(NewFile("a.pdf", RetentionPolicy.TEMPORARY, ttl=ttl), new_id())
    assert refused.value.details[0].field == "ttl_days"


def test_a_permanent_document_has_no_life_time() -> None:
    with pytest.raises(ValidationFailed):
        prepared(NewFile("a.pdf", RetentionPolicy.PERMANENT, ttl=timedelta(days=3)), new_id())


def test_each_tag_is_kept_once_in_its_order() -> None:
    assert prepared(NewFile("a", RetentionPolicy.PERMANENT, tags=("b", "a", "b")), new_id()).tags == ("b", "a")


def test_a_name_with_nul_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        prepared(NewFile("a\0", RetentionPolicy.PERMANENT), new_id())


OF_ONE_ELEMENT = {
    ErrorCode.STORAGE_UNAVAILABLE, ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.STORAGE_FULL,
    ErrorCode.FILE_TOO_LARGE, ErrorCode.MODE_NOT_ALLOWED, ErrorCode.INTERNAL_ERROR,
}  # fmt: skip


@pytest.mark.parametrize("code", ErrorCode)
def test_only_what_lies_in_one_element_is_tried_on_the_next(code: ErrorCode) -> None:
    assert another_may_take_it(ERRORS[code]("no")) is (code in OF_ONE_ELEMENT)


FULL, LARGE, AWAY = StorageFull("full"), FileTooLarge("large"), StorageUnavailable("away")


@pytest.mark.parametrize(
    ("refusals", "answer"),
    [([FULL], FULL), ([FULL, LARGE], LARGE), ([AWAY, LARGE], AWAY), ([LARGE, AWAY, FULL], AWAY)],
)
def test_what_may_pass_is_told_before_what_will_not(refusals: list[ArtStoreError], answer: ArtStoreError) -> None:
    assert answer_to(refusals) is answer


def test_without_a_candidate_there_is_no_element() -> None:
    assert isinstance(answer_to([]), NoElementAvailable)
