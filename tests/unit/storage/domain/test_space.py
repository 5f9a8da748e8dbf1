from __future__ import annotations

from dataclasses import replace

import pytest

from services.model.errors import StorageFull
from services.storage.domain.space import Room

ROOM = Room(free=1000, total=5000, used=4000, pending=0, promised=0, keep_free=100, limit=0)


def test_what_is_kept_free_is_not_given_away() -> None:
    ROOM.require(900)
    with pytest.raises(StorageFull):
        ROOM.require(901)


def test_what_was_promised_and_not_yet_taken_is_not_free() -> None:
    assert replace(ROOM, pending=300, promised=500).available == 600


def test_a_capacity_counts_what_is_stored_and_what_is_promised() -> None:
    assert replace(ROOM, limit=4500, promised=200).available == 300


def test_the_scarcer_of_disk_and_capacity_decides() -> None:
    assert replace(ROOM, limit=10_000).available == 900


def test_a_disk_below_its_reserve_has_no_room_rather_than_less_than_none() -> None:
    assert replace(ROOM, free=50).available == 0
    assert replace(ROOM, limit=100).available == 0


def test_nothing_always_fits() -> None:
    replace(ROOM, free=0).require(0)


def test_the_capacity_is_the_file_system_s_unless_it_is_limited() -> None:
    assert ROOM.capacity == 5000
    assert replace(ROOM, limit=10).capacity == 10
