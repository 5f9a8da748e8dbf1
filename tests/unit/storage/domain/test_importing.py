from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.model.errors import FileExpired, MetadataTooLarge, ValidationFailed
from services.model.files import FileStatus, RetentionPolicy
from services.model.ids import FileId, Subject
from services.storage.domain.documents import MAX_DEPTH
from services.storage.domain.importing import Imported, imported
from tests.unit.storage.samples import NOW, attributes


def test_everything_stays_but_the_epoch() -> None:
    there = attributes(
        revision=7, epoch=12, uploaded_by=Subject("somebody else"), uploaded_at=NOW - timedelta(days=3),
        updated_at=NOW - timedelta(hours=1), description="what it says", tags=("b", "a"), metadata={"n": 2**60},
    )  # fmt: skip
    assert imported(Imported(there, {"holds": [{"by": "court"}]}), at=NOW) == replace(there, epoch=0)


def test_times_are_those_that_can_be_written() -> None:
    there = attributes(updated_at=datetime(2026, 11, 20, 1, 30, 0, 123_999, UTC))
    assert imported(Imported(there), at=NOW).updated_at == datetime(2026, 11, 20, 1, 30, 0, 123_000, UTC)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *(({"status": each}, "status") for each in FileStatus if each is not FileStatus.ACTIVE),
        ({"deleted_by": Subject("anna")}, "status"),
        ({"sha256": "ABC"}, "sha256"),
        ({"revision": 0}, "revision"),
        ({"uploaded_by": Subject("")}, "uploaded_by"),
        ({"tags": ("a", "a")}, "tags"),
        ({"expires_at": None}, "expires_at"),
        ({"ttl": None}, "expires_at"),
        ({"retention_policy": RetentionPolicy.PERMANENT}, "expires_at"),
        ({"ttl": timedelta(days=366)}, "ttl_days"),
        ({"original_filename": ""}, "filename"),
        ({"size": -1}, "size"),
        ({"file_id": FileId("01b20000-0000-7000-8000-000000000000")}, "file_id"),
    ],
    ids=str,
)
def test_what_is_not_a_whole_and_active_file_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        imported(Imported(attributes(**changes)), at=NOW)
    assert field in {each.field for each in refused.value.details}


def test_one_whose_time_is_over_is_refused() -> None:
    file = attributes(expires_at=NOW)
    with pytest.raises(FileExpired):
        imported(Imported(file), at=NOW)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"x": inner}
    return inner


@pytest.mark.parametrize(
    "unknown",
    [
        {"revision": 9}, {"schema_version": 2}, {"storage_filename": "../x"}, {"attr_sha256": "0" * 64}, {"damage": {}},
        {"later": "\ud800"}, {"later": float("nan")}, {"later": nested(MAX_DEPTH)},
    ],
    ids=lambda each: next(iter(each)),
)  # fmt: skip
def test_what_is_said_besides_says_nothing_of_what_is_known(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        imported(Imported(attributes(), unknown), at=NOW)


def test_more_than_fits_is_refused() -> None:
    with pytest.raises(MetadataTooLarge):
        imported(Imported(attributes(), {"later": "x" * 3000}), at=NOW)
