from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.model.errors import ChecksumMismatch, FileTooLarge, ValidationFailed
from services.model.ids import FileId, file_id_time
from services.storage.domain.uploads import AHEAD, SizeLimit, check_commit, check_digest, check_new_id
from tests.unit.storage.samples import DIGEST, FILE_ID, NOW

CREATED = file_id_time(FILE_ID)


def test_an_id_of_now_is_taken() -> None:
    check_new_id(FILE_ID, NOW)


def test_an_id_of_long_ago_is_taken_since_files_move_between_elements() -> None:
    check_new_id(FileId("00000000-0000-7000-8000-000000000000"), NOW)


def test_an_id_may_be_a_day_ahead_and_no_more() -> None:
    check_new_id(FILE_ID, CREATED - AHEAD)
    with pytest.raises(ValidationFailed, match=r"file_id.*24 hours"):
        check_new_id(FILE_ID, CREATED - AHEAD - timedelta(milliseconds=1))


def test_an_id_beyond_the_calendar_is_refused_not_stumbled_over() -> None:
    with pytest.raises(ValidationFailed, match="file_id"):
        check_new_id(FileId("ffffffff-ffff-7fff-bfff-ffffffffffff"), NOW)


def test_a_declared_size_above_the_limit_is_refused_before_the_bytes() -> None:
    with pytest.raises(FileTooLarge, match=r"101.*100"):
        SizeLimit(declared=101, most=100)


@given(st.lists(st.integers(0, 60), max_size=10))
def test_an_undeclared_size_is_refused_at_the_byte_that_passes_the_limit(chunks: list[int]) -> None:
    limit, total = SizeLimit(declared=None, most=100), 0
    for chunk in chunks:
        total += chunk
        if total > 100:
            with pytest.raises(FileTooLarge):
                limit.add(chunk)
            return
        limit.add(chunk)
    assert limit.received == total


def test_more_than_was_declared_is_refused_at_once() -> None:
    limit = SizeLimit(declared=10, most=100)
    limit.add(10)
    with pytest.raises(ChecksumMismatch):
        limit.add(1)


def test_a_chunk_has_at_most_a_mebibyte() -> None:
    limit = SizeLimit(declared=None, most=1 << 30)
    limit.add(1 << 20)
    with pytest.raises(ValidationFailed, match="chunk"):
        limit.add((1 << 20) + 1)


@pytest.mark.parametrize(("declared", "said"), [(None, 9), (None, 11), (9, 10), (11, 10), (9, 9)])
def test_header_commit_and_content_agree_on_the_size(declared: int | None, said: int) -> None:
    check_commit(declared=None, said=10, received=10)
    check_commit(declared=10, said=10, received=10)
    with pytest.raises(ChecksumMismatch):
        check_commit(declared=declared, said=said, received=10)


def test_a_declared_digest_must_be_the_content_s() -> None:
    check_digest(said=None, found=DIGEST)
    check_digest(said=DIGEST, found=DIGEST)
    with pytest.raises(ChecksumMismatch):
        check_digest(said="0" * 64, found=DIGEST)
