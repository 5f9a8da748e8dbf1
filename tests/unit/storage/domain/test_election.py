"""Who leads: the decisions, by the clock that each process has of its own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from services.storage.domain.election import Leader, Lease, Sight, may_claim


def leader(epoch: int = 3, beat: int = 1, host: str = "10.0.0.7") -> Leader:
    return Leader(epoch, host, 8010, datetime(2026, 11, 21, tzinfo=UTC), beat)


@pytest.mark.parametrize(("locked", "silent", "answers"), list(itertools.product([False, True], repeat=3)))
def test_nobody_claims_from_one_who_answers_nor_without_a_reason(locked: bool, silent: bool, answers: bool) -> None:
    assert may_claim(locked=locked, silent=silent, answers=answers) is (not answers and (locked or silent))


def test_a_leader_is_silent_once_no_beat_came_for_long_enough() -> None:
    sight = Sight(silence=8, now=100)
    sight.see(leader(beat=1), 3, now=100)
    sight.see(leader(beat=1), 3, now=107)
    assert not sight.silent(108)
    assert sight.silent(108.1)
    sight.see(leader(beat=2), 3, now=109)
    assert not sight.silent(117)


def test_a_process_that_has_just_come_is_patient_too() -> None:
    assert not Sight(silence=8, now=100).silent(108)


def test_a_new_epoch_is_a_sign_of_life_before_its_first_beat() -> None:
    sight = Sight(silence=8, now=0)
    sight.see(leader(), 3, now=0)
    sight.see(leader(), 4, now=7)
    assert not sight.silent(15)


def test_a_beat_that_went_back_is_one_of_another_leader() -> None:
    sight = Sight(silence=8, now=0)
    sight.see(leader(epoch=3, beat=900), 4, now=0)
    sight.see(leader(epoch=4, beat=1), 4, now=5)
    assert not sight.silent(13)


def test_a_lease_counts_from_the_beginning_of_a_beat() -> None:
    lease = Lease(loss=5, now=0)
    lease.renew(3)
    lease.renew(2)
    assert lease.left(7.9) > 0
    assert lease.left(8) <= 0


def test_an_address_of_either_kind_can_be_dialled() -> None:
    assert leader().address == "10.0.0.7:8010"
    assert leader(host="fd00::7").address == "[fd00::7]:8010"
