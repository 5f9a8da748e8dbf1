from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import (
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    MetadataTooLarge,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from services.model.files import DEFAULT_TTL, ByteRange, FileAttributes, FileChange, FileStatus, RetentionPolicy
from services.model.ids import Subject
from services.storage.domain.changes import created, deleted, require_servable, resolve, updated
from services.storage.domain.documents import Document
from tests.unit.storage.samples import ANNA, DIGEST, FILE_ID, NOW, attributes, new_file

LATER = NOW + timedelta(hours=1)
BOSS = Subject("boss")


def document(**changes: object) -> Document:
    return Document(attributes(**changes), "x.pdf")


def make(**changes: object) -> FileAttributes:
    at = NOW + timedelta(microseconds=123_987)
    return created(new_file(**changes), file_id=FILE_ID, size=5, sha256=DIGEST, by=ANNA, at=at)


def test_a_new_file_is_what_its_uploader_said_and_what_came() -> None:
    file = make(description="d", tags=("b", "a", "b"), metadata={"k": 1}, ttl=timedelta(days=2))
    assert (file.size, file.sha256, file.uploaded_by, file.revision) == (5, DIGEST, ANNA, 1)
    assert (file.description, file.tags, file.metadata) == ("d", ("b", "a"), {"k": 1})
    assert file.status is FileStatus.ACTIVE


def test_times_are_kept_as_they_are_written() -> None:
    assert make().uploaded_at == make().updated_at == NOW + timedelta(milliseconds=123)


def test_a_temporary_file_ends_and_a_permanent_one_does_not() -> None:
    assert make().expires_at == make().uploaded_at + DEFAULT_TTL
    permanent = make(retention_policy=RetentionPolicy.PERMANENT)
    assert (permanent.ttl, permanent.expires_at) == (None, None)


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    before = document(description="old", tags=("a",), metadata={"k": 1})
    after = updated(before, FileChange(tags=("b", "b")), expected_revision=1, at=LATER)
    assert after == replace(before.attributes, tags=("b",), revision=2, updated_at=LATER)


def test_an_update_can_empty_everything() -> None:
    before = document(description="old", tags=("a",), metadata={"k": 1})
    after = updated(before, FileChange(description="", tags=(), metadata={}), expected_revision=None, at=LATER)
    assert (after.description, after.tags, after.metadata) == ("", (), {})


def test_an_update_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MetadataTooLarge):
        updated(document(), FileChange(description="x" * 4000), expected_revision=None, at=LATER)


def test_members_that_we_do_not_know_take_room_as_well() -> None:
    full = replace(document(), unknown={"x": "y" * 2000})
    change = FileChange(description="x" * 1500)
    updated(document(), change, expected_revision=None, at=LATER)
    with pytest.raises(MetadataTooLarge):
        updated(full, change, expected_revision=None, at=LATER)


def test_a_changed_revision_is_noticed() -> None:
    with pytest.raises(PreconditionFailed, match="revision 1, not 2"):
        updated(document(), FileChange(description="x"), expected_revision=2, at=LATER)
    with pytest.raises(PreconditionFailed):
        deleted(document(), expected_revision=2, by=BOSS, at=LATER)


def test_what_is_gone_is_not_updated() -> None:
    with pytest.raises(FileDeleted):
        updated(document(status=FileStatus.DELETED), FileChange(description="x"), expected_revision=None, at=LATER)
    with pytest.raises(FileExpired):
        updated(document(expires_at=LATER), FileChange(description="x"), expected_revision=None, at=LATER)


def test_a_deletion_says_who_and_when() -> None:
    after = deleted(document(), expected_revision=1, by=BOSS, at=LATER)
    assert (after.status, after.deleted_by, after.deleted_at, after.revision) == (FileStatus.DELETED, BOSS, LATER, 2)


def test_a_second_deletion_changes_nothing_whatever_revision_is_expected() -> None:
    first = Document(deleted(document(), expected_revision=1, by=BOSS, at=LATER), "x.pdf")
    assert deleted(first, expected_revision=1, by=ANNA, at=LATER) is first.attributes


@pytest.mark.parametrize("status", [FileStatus.EXPIRED, FileStatus.DAMAGED, FileStatus.MISSING])
def test_whatever_state_a_file_is_in_it_can_be_deleted(status: FileStatus) -> None:
    assert deleted(document(status=status), expected_revision=None, by=BOSS, at=LATER).status is FileStatus.DELETED


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (FileStatus.DELETED, FileDeleted),
        (FileStatus.EXPIRED, FileExpired),
        (FileStatus.DAMAGED, FileDamaged),
        (FileStatus.MISSING, FileMissing),
    ],
)
def test_only_active_files_are_served(status: FileStatus, error: type[Exception]) -> None:
    require_servable(attributes(), NOW)
    with pytest.raises(error):
        require_servable(attributes(status=status), NOW)


def test_an_expired_file_is_refused_at_its_instant() -> None:
    file = attributes(expires_at=LATER)
    require_servable(file, LATER - timedelta(milliseconds=1))
    with pytest.raises(FileExpired):
        require_servable(file, LATER)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 9), (9, 9)])
def test_ranges_within_the_file_are_served(first: int, last: int) -> None:
    assert resolve(ByteRange(first, last), 10) == ByteRange(first, last)


@pytest.mark.parametrize(("first", "last", "size"), [(0, 10, 10), (10, 10, 10), (5, 4, 10), (-1, 3, 10), (0, 0, 0)])
def test_other_ranges_are_refused(first: int, last: int, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolve(ByteRange(first, last), size)


def test_no_range_is_the_whole_file() -> None:
    assert resolve(None, 0) is None
