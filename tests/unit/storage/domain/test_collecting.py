from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.model.files import FileStatus
from services.storage.domain.collecting import Reading, destruction, doubt, expired
from services.storage.domain.documents import Document
from tests.unit.storage.samples import ANNA, NOW, attributes

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEARS = 3653 * DAY


def document(unknown: dict[str, Any] | None = None, version: int = 1, **changes: Any) -> Document:
    return Document(attributes(**changes), "x", version, unknown or {})


def deleted(**changes: Any) -> Document:
    return document(status=FileStatus.DELETED, deleted_at=NOW, deleted_by=ANNA, **changes)


@pytest.mark.parametrize(
    ("wall", "ran", "doubted"),
    [
        (HOUR, HOUR, False),
        (HOUR + timedelta(minutes=5), HOUR, False),
        (HOUR + timedelta(minutes=5, seconds=1), HOUR, True),
        (YEARS, HOUR, True),
        (-YEARS, HOUR, False),
        (8 * DAY, 8 * DAY, True),
    ],
    ids=["in step", "5 minutes ahead", "more than that", "ten years ahead", "ten years back", "asleep for 8 days"],
)
def test_a_clock_that_ran_ahead_of_the_monotonic_one_is_doubted(wall: timedelta, ran: timedelta, doubted: bool) -> None:
    before = Reading(NOW, 1000.0)
    now = Reading(NOW + wall, 1000.0 + ran.total_seconds())
    assert bool(doubt(now, before=before, written=NOW)) is doubted


@pytest.mark.parametrize(("pause", "doubted"), [(7 * DAY, False), (7 * DAY + HOUR, True), (-YEARS, False)])
def test_after_a_restart_what_is_written_down_is_the_witness(pause: timedelta, doubted: bool) -> None:
    assert bool(doubt(Reading(NOW + pause, 5.0), before=None, written=NOW)) is doubted


def test_an_end_is_written_down_at_its_instant_and_not_before() -> None:
    file = document(expires_at=NOW + HOUR)
    assert expired(file, NOW + HOUR - timedelta(milliseconds=1)) is file.attributes
    after = expired(file, NOW + HOUR)
    assert (after.status, after.revision, after.updated_at) == (FileStatus.EXPIRED, 2, NOW + HOUR)


@pytest.mark.parametrize("status", [FileStatus.ACTIVE, FileStatus.DAMAGED, FileStatus.MISSING])
def test_a_draft_ends_in_its_time_whatever_has_become_of_its_bytes(status: FileStatus) -> None:
    file = document(status=status, expires_at=NOW)
    assert expired(file, NOW - timedelta(milliseconds=1)) is file.attributes
    assert expired(file, NOW).status is FileStatus.EXPIRED
    permanent = document(status=status, expires_at=None)
    assert expired(permanent, NOW + YEARS) is permanent.attributes


@pytest.mark.parametrize("status", [FileStatus.DELETED, FileStatus.EXPIRED])
def test_what_has_ended_does_not_end_again(status: FileStatus) -> None:
    file = document(status=status, expires_at=NOW - HOUR)
    assert expired(file, NOW) is file.attributes


def test_a_deleted_file_is_destroyed_after_the_grace() -> None:
    assert destruction(deleted(), NOW + DAY - timedelta(seconds=1), DAY) is None
    line = destruction(deleted(), NOW + DAY, DAY)
    assert line is not None
    assert (line.why, line.by, line.ended_at, line.destroyed_at) == (FileStatus.DELETED, ANNA, NOW, NOW + DAY)


def test_an_expired_file_has_its_grace_from_when_that_was_written_down() -> None:
    file = document(status=FileStatus.EXPIRED, expires_at=NOW - YEARS, updated_at=NOW)
    assert destruction(file, NOW + DAY - timedelta(seconds=1), DAY) is None
    line = destruction(file, NOW + DAY, DAY)
    assert line is not None
    assert (line.why, line.by) == (FileStatus.EXPIRED, None)


@pytest.mark.parametrize("status", [FileStatus.ACTIVE, FileStatus.DAMAGED, FileStatus.MISSING])
def test_nothing_else_is_ever_destroyed(status: FileStatus) -> None:
    file = document(status=status, expires_at=NOW - YEARS, deleted_at=NOW - YEARS)
    assert destruction(file, NOW + YEARS, timedelta(0)) is None


@pytest.mark.parametrize(
    "kept",
    [
        deleted(unknown={"holds": ["court"]}),
        deleted(unknown={"retain_until": "2036-01-01T00:00:00Z"}),
        deleted(version=2),
    ],
    ids=["held", "retained", "of a newer version"],
)
def test_what_somebody_wants_kept_stays(kept: Document) -> None:
    assert destruction(kept, NOW + YEARS, timedelta(0)) is None
    active = replace(kept, attributes=attributes(expires_at=NOW - HOUR))
    assert expired(active, NOW) is active.attributes
