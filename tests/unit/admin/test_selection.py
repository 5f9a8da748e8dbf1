"""Where a new document goes."""

from __future__ import annotations

import pytest

from services.admin.domain.selection import MOST_CANDIDATES, select
from services.model.elements import ElementStatus, Mode
from services.model.errors import FileTooLarge, NoElementAvailable, StorageFull
from services.model.files import RetentionPolicy
from tests.support.admin_things import GIB, record

PERMANENT, TEMPORARY = RetentionPolicy.PERMANENT, RetentionPolicy.TEMPORARY
EVERY_MODE = [record(f"se-{mode}", mode=mode) for mode in Mode]


@pytest.mark.parametrize(("policy", "chosen"), [(PERMANENT, "se-rw"), (TEMPORARY, "se-edit")])
def test_the_policy_decides_the_mode(policy: RetentionPolicy, chosen: str) -> None:
    assert [each.name for each in select(EVERY_MODE, policy, 1)] == [chosen]


def test_the_least_used_comes_first_by_share_not_by_bytes() -> None:
    elements = [
        record("half", capacity_bytes=100, used_bytes=50, available_bytes=50),
        record("tenth", capacity_bytes=1000, used_bytes=100, available_bytes=900),
        record("empty", capacity_bytes=10, used_bytes=0, available_bytes=10),
    ]
    assert [each.name for each in select(elements, PERMANENT, 1)] == ["empty", "tenth", "half"]


def test_equally_used_ones_come_by_their_storage_id() -> None:
    elements = [record(name) for name in ("c", "a", "b")]
    assert [each.name for each in select(elements, PERMANENT, 1)] == ["a", "b", "c"]


def test_one_whose_capacity_is_not_known_comes_last() -> None:
    elements = [record("a-unknown", capacity_bytes=0), record("known", used_bytes=99 * GIB)]
    assert [each.name for each in select(elements, PERMANENT, 1)] == ["known", "a-unknown"]


def test_at_most_five_are_offered() -> None:
    assert len(select([record(f"se-{number}") for number in range(9)], PERMANENT, 1)) == MOST_CANDIDATES == 5


@pytest.mark.parametrize(
    ("size", "available", "takes"),
    [(10, 10, True), (11, 10, False), (0, 1, True), (0, 0, False), (None, 1, True), (None, 0, False)],
)
def test_there_must_be_room(size: int | None, available: int, takes: bool) -> None:
    elements = [record("se-rw-01", available_bytes=available)]
    if takes:
        assert select(elements, PERMANENT, size) == elements
    else:
        with pytest.raises(StorageFull, match="no element in mode rw has room"):
            select(elements, PERMANENT, size)


def test_one_without_room_is_passed_over() -> None:
    elements = [record("full", used_bytes=0, available_bytes=3), record("roomy", used_bytes=90 * GIB)]
    assert [each.name for each in select(elements, PERMANENT, 4)] == ["roomy"]


def test_a_file_above_every_limit_is_too_large_whatever_room_there_is() -> None:
    elements = [record("small", max_file_size=10), record("large", max_file_size=20)]
    assert [each.name for each in select(elements, PERMANENT, 20)] == ["large"]
    with pytest.raises(FileTooLarge, match="21 bytes; at most 20"):
        select(elements, PERMANENT, 21)


def test_a_file_that_only_a_full_element_would_take_finds_no_room() -> None:
    elements = [record("small", max_file_size=10), record("full", max_file_size=20, available_bytes=5)]
    with pytest.raises(StorageFull):
        select(elements, PERMANENT, 15)


@pytest.mark.parametrize("status", [ElementStatus.OFFLINE, ElementStatus.DEGRADED])
def test_only_online_ones_are_offered_and_the_reason_is_told(status: ElementStatus) -> None:
    elements = [
        record("se-rw-01", status, "it cannot be reached", endpoint="10.0.0.7:8010"),
        record("e", mode=Mode.EDIT),
    ]
    with pytest.raises(NoElementAvailable) as refused:
        select(elements, PERMANENT, 1)
    assert refused.value.message == (
        f"no element in mode rw is online: se-rw-01 is {status} since 2026-11-21 01:30:00 UTC (it cannot be reached)"
    )
    assert "10.0.0.7" not in refused.value.message
    assert refused.value.retry_after


def test_that_none_is_registered_is_told() -> None:
    with pytest.raises(NoElementAvailable, match="no element in mode edit is registered"):
        select([record("se-rw-01")], TEMPORARY, 1)
