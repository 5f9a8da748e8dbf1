"""Where a new document goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.elements import ElementRecord
from services.admin.domain.selection import MOST_CANDIDATES, select
from services.model.elements import ElementStatus, Mode
from services.model.errors import FileTooLarge, NoElementAvailable, StorageFull
from services.model.files import RetentionPolicy
from tests.support.admin_things import GIB, NOW, record

PERMANENT, TEMPORARY = RetentionPolicy.PERMANENT, RetentionPolicy.TEMPORARY
EVERY_MODE = [record(f"se-{mode}", mode=mode) for mode in Mode]


def chosen(
    elements: Sequence[ElementRecord], policy: RetentionPolicy, size: int | None, turn: int = 0
) -> list[ElementRecord]:
    return select(elements, policy, size, now=NOW, turn=turn)


@pytest.mark.parametrize(("policy", "name"), [(PERMANENT, "se-rw"), (TEMPORARY, "se-edit")])
def test_the_policy_decides_the_mode(policy: RetentionPolicy, name: str) -> None:
    assert [each.name for each in chosen(EVERY_MODE, policy, 1)] == [name]


def test_the_least_used_comes_first_by_share_not_by_bytes() -> None:
    elements = [
        record("half", capacity_bytes=100, used_bytes=50, available_bytes=50),
        record("tenth", capacity_bytes=1000, used_bytes=100, available_bytes=900),
        record("empty", capacity_bytes=10, used_bytes=0, available_bytes=10),
    ]
    assert [each.name for each in chosen(elements, PERMANENT, 1)] == ["empty", "tenth", "half"]


def test_equally_used_ones_come_by_their_storage_id() -> None:
    elements = [record(name) for name in ("c", "a", "b")]
    assert [each.name for each in chosen(elements, PERMANENT, 1)] == ["a", "b", "c"]


def test_one_whose_capacity_is_not_known_comes_last() -> None:
    elements = [record("a-unknown", capacity_bytes=0), record("known", used_bytes=99 * GIB)]
    assert [each.name for each in chosen(elements, PERMANENT, 1)] == ["known", "a-unknown"]


def test_at_most_five_are_offered() -> None:
    assert len(chosen([record(f"se-{number}") for number in range(9)], PERMANENT, 1)) == MOST_CANDIDATES == 5


@pytest.mark.parametrize(
    ("size", "available", "takes"),
    [(10, 10, True), (11, 10, False), (0, 1, True), (0, 0, False), (None, 1, True), (None, 0, False)],
)
def test_there_must_be_room(size: int | None, available: int, takes: bool) -> None:
    elements = [record("se-rw-01", available_bytes=available)]
    if takes:
        assert chosen(elements, PERMANENT, size) == elements
    else:
        with pytest.raises(StorageFull, match="no element in mode rw has room"):
            chosen(elements, PERMANENT, size)


def test_one_without_room_is_passed_over() -> None:
    elements = [record("full", used_bytes=0, available_bytes=3), record("roomy", used_bytes=90 * GIB)]
    assert [each.name for each in chosen(elements, PERMANENT, 4)] == ["roomy"]


def test_a_file_above_every_limit_is_too_large_whatever_room_there_is() -> None:
    elements = [record("small", max_file_size=10), record("large", max_file_size=20)]
    assert [each.name for each in chosen(elements, PERMANENT, 20)] == ["large"]
    with pytest.raises(FileTooLarge, match="21 bytes; at most 20"):
        chosen(elements, PERMANENT, 21)


def test_a_file_that_only_a_full_element_would_take_finds_no_room() -> None:
    elements = [record("small", max_file_size=10), record("full", max_file_size=20, available_bytes=5)]
    with pytest.raises(StorageFull):
        chosen(elements, PERMANENT, 15)


@pytest.mark.parametrize("status", [ElementStatus.OFFLINE, ElementStatus.DEGRADED])
def test_only_online_ones_are_offered_and_the_reason_is_told(status: ElementStatus) -> None:
    elements = [
        record("se-rw-01", status, "it cannot be reached", endpoint="10.0.0.7:8010"),
        record("e", mode=Mode.EDIT),
    ]
    with pytest.raises(NoElementAvailable) as refused:
        chosen(elements, PERMANENT, 1)
    assert refused.value.message == (
        f"no element in mode rw is online: se-rw-01 is {status} since 2026-11-21 01:30:00 UTC (it cannot be reached)"
    )
    assert "10.0.0.7" not in refused.value.message
    assert refused.value.retry_after


def test_that_none_is_registered_is_told() -> None:
    with pytest.raises(NoElementAvailable, match="no element in mode edit is registered"):
        chosen([record("se-rw-01")], TEMPORARY, 1)


def test_equally_used_ones_take_turns_at_being_first() -> None:
    elements = [
        *(record(f"se-{n}", used_bytes=50 * GIB + n) for n in range(3)),
        record("fuller", used_bytes=60 * GIB),
    ]
    firsts = [[each.name for each in chosen(elements, PERMANENT, 1, turn)] for turn in range(4)]
    assert [names[0] for names in firsts] == ["se-0", "se-1", "se-2", "se-0"]
    assert all(len(set(names)) == 4 and names[-1] == "fuller" for names in firsts)


def test_one_that_has_failed_is_left_out_for_a_while() -> None:
    failed = replace(record("failed", used_bytes=0), avoid_until=NOW + timedelta(seconds=1))
    well = record("well", used_bytes=90 * GIB)
    assert [each.name for each in chosen([failed, well], PERMANENT, 1)] == ["well"]
    recovered = replace(failed, avoid_until=NOW)
    assert [each.name for each in chosen([recovered, well], PERMANENT, 1)] == ["failed", "well"]


def test_where_all_have_failed_they_are_tried_nevertheless() -> None:
    failed = [replace(record(name), avoid_until=NOW + timedelta(hours=1)) for name in ("a", "b")]
    assert [each.name for each in chosen(failed, PERMANENT, 1)] == ["a", "b"]
