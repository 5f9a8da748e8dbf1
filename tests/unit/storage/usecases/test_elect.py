"""One pass at a time: who claims, who waits, who leaves."""

from __future__ import annotations

import sqlite3

import pytest

from services.model.elements import Mode, Role
from services.model.errors import StorageUnavailable
from services.storage.domain.election import Deposed, Patience
from services.storage.usecases.elect import Elect
from services.storage.usecases.mode_gate import ModeGate
from tests.doubles.clock import FakeClock
from tests.doubles.leadership import MemoryLeadership, MemoryPeers, a_leader
from tests.doubles.storage_files import MemoryFiles


class House:
    """One process of an element, and whatever is around it."""

    def __init__(self, gate: ModeGate, files: MemoryFiles, clock: FakeClock) -> None:
        self.leadership, self.peers, self.gate, self.files, self.clock = (
            MemoryLeadership(), MemoryPeers(), gate, files, clock
        )  # fmt: skip
        self.said: list[Role] = []
        self.elect = Elect(
            leadership=self.leadership, peers=self.peers, gate=gate, files=files, clock=clock,
            patience=Patience(silence=8, loss=5), beat=1, announce=self._announce,
        )  # fmt: skip

    async def _announce(self, role: Role) -> None:
        self.said.append(role)

    def follows(self, beat: int = 1, *, writable: bool = True) -> None:
        """Another one leads, and has the lock."""
        self.leadership.others, self.leadership.latest = a_leader(beat, writable=writable), 7
        self.leadership.lock_is_free = False

    async def passes(self, seconds: float) -> None:
        """So much time goes by, with a pass each second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            await self.elect()


@pytest.fixture
def house(gate: ModeGate, files: MemoryFiles, clock: FakeClock) -> House:
    return House(gate, files, clock)


async def test_the_first_process_leads_at_once(house: House) -> None:
    await house.elect()
    assert house.elect.role is Role.LEADER
    assert house.leadership.done == ["claim 1", "recover", "accept"]
    assert house.said == [Role.LEADER]
    assert (house.gate.state.mode, house.gate.state.revision) == (Mode.RW, 3), "it goes on in the mode that is kept"
    await house.passes(2)
    assert house.leadership.beats == 3


async def test_a_follower_waits_while_the_leader_beats_and_follows_its_mode(house: House) -> None:
    for beat in range(30):
        house.follows(beat)
        await house.passes(1)
    assert house.leadership.done == []
    assert house.peers.asked == 0
    assert house.gate.mode is Mode.RW
    assert house.elect.leader is not None
    assert house.elect.writable


async def test_the_lock_of_a_leader_that_died_is_enough(house: House) -> None:
    house.follows()
    await house.passes(2)
    house.leadership.lock_is_free, house.peers.answers = True, False
    await house.elect()
    assert house.leadership.done == ["claim 8", "recover", "accept"]


async def test_a_lock_that_lies_does_not_depose_a_leader_who_answers(house: House) -> None:
    house.follows()
    house.leadership.lock_is_free = True
    await house.passes(20)
    assert house.leadership.done == []
    assert not house.leadership.locked, "it is given back"


async def test_a_leader_who_hangs_with_its_lock_is_deposed_after_a_while(house: House) -> None:
    house.follows()
    house.peers.answers = False
    await house.passes(8)
    assert house.leadership.done == []
    assert house.peers.asked == 0
    await house.passes(2)
    assert house.leadership.done[0] == "claim 8"
    assert house.elect.role is Role.LEADER


async def test_a_leader_without_beats_who_answers_stays(house: House) -> None:
    house.follows()
    await house.passes(30)
    assert house.leadership.done == []
    with pytest.raises(StorageUnavailable, match="sign of life"):
        await house.elect.check()
    assert not house.elect.writable


async def test_of_two_who_claim_one_follows(house: House) -> None:
    house.leadership.faster = True
    await house.elect()
    assert house.leadership.done == ["claim 1", "leave"]
    assert house.elect.role is Role.FOLLOWER


async def test_who_cannot_recover_leaves_and_does_not_burn_epochs(house: House) -> None:
    house.leadership.unrecoverable = True
    await house.elect()
    assert house.leadership.done == ["claim 1", "recover", "leave"]
    assert house.said == [Role.LEADER, Role.FOLLOWER]
    await house.passes(7)
    assert house.leadership.done == ["claim 1", "recover", "leave"]
    house.leadership.unrecoverable = False
    await house.passes(2)
    assert house.leadership.done[3:] == ["claim 2", "recover", "accept"]


async def test_a_leader_that_is_deposed_follows(house: House) -> None:
    await house.elect()
    house.leadership.beat_fails = Deposed("a later epoch has begun")
    house.follows()
    await house.elect()
    assert house.leadership.done[-1] == "leave"
    assert house.said == [Role.LEADER, Role.FOLLOWER]
    assert house.elect.role is Role.FOLLOWER
    assert house.elect.leader == house.leadership.others


async def test_a_single_beat_that_fails_deposes_nobody(house: House) -> None:
    await house.elect()
    house.leadership.beat_fails = StorageUnavailable("the disk hiccups")
    await house.passes(2)
    assert house.elect.role is Role.LEADER


async def test_a_follower_of_a_leader_that_has_stopped_writing_takes_no_uploads(house: House) -> None:
    house.follows(writable=False)
    await house.elect()
    assert not house.elect.writable
    await house.elect.check()


async def test_an_epoch_that_cannot_begin_for_whatever_reason_is_left(house: House) -> None:
    house.leadership.recovery_fails = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(sqlite3.OperationalError):
        await house.elect()
    assert not house.leadership.leading
    assert house.said == [Role.LEADER, Role.FOLLOWER]
    house.leadership.recovery_fails = None
    await house.passes(9)
    assert house.elect.role is Role.LEADER
