"""Following elements' change feeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.feed import step_of
from services.admin.domain.registry import Entry
from services.admin.usecases.follow_feeds import MOST, FollowFeed, FollowFeeds, gathered
from services.admin.usecases.operations import StartOperation
from services.model.elements import Mode
from services.model.errors import StorageUnavailable
from services.model.feed import Change, ChangeKind, Destroyed, FeedPosition, ModeChange
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, StorageId, Subject
from services.model.operations import OperationKind, OperationState
from tests.doubles.admin_feeds import MemoryFeeds
from tests.doubles.admin_operations import FakeClaims, MemoryOperations
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.doubles.element_peer import FakeElementPeer
from tests.support.admin_things import NOW, file, record

HERE = FeedPosition("feed-1", 0)


class Witness:
    """Fills `ports.FeedWitness`."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.frames: list[Change | FeedPosition] = []

    def begun(self, storage_id: StorageId) -> None:
        self.seen.append(f"begun {storage_id}")

    def told(self, storage_id: StorageId, frames: Sequence[Change | FeedPosition]) -> None:
        self.seen.append("told")
        self.frames += frames

    def interrupted(self, storage_id: StorageId) -> None:
        self.seen.append("interrupted")

    def reset(self, storage_id: StorageId) -> None:
        self.seen.append("reset")

    def left(self, storage_id: StorageId) -> None:
        self.seen.append("left")


class House:
    """An element whose feed is followed from its beginning."""

    def __init__(self) -> None:
        self.one = record("se-rw-01", endpoint="one:1")
        self.elements = MemoryElements(self.one)
        self.registry = MemoryRegistry(self.elements)
        self.feeds = MemoryFeeds(self.elements, self.registry)
        self.feeds.positions[self.one.element_id] = HERE
        self.operations = MemoryOperations()
        self.peer = FakeElementPeer()
        self.peer.at["one:1"] = self.one.info
        self.claims = FakeClaims()
        self.clock = FakeClock(NOW)
        self.witness = Witness()
        start = StartOperation(operations=self.operations, elements=self.elements, clock=self.clock, nudge=lambda: None)
        one = FollowFeed(
            feeds=self.feeds,
            peer=self.peer,
            operations=self.operations,
            start=start,
            clock=self.clock,
            witness=self.witness,
        )
        self.follow = FollowFeeds(elements=self.elements, claims=self.claims, follow=one)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - the follower tells nobody
                await asyncio.sleep(0.005)

    def position(self) -> FeedPosition | None:
        return self.feeds.positions.get(self.one.element_id)

    def row(self, one: FileAttributes) -> FileAttributes | None:
        found = self.registry.rows.get(one.file_id)
        return found.file if found else None


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    async with made.follow:
        yield made


def created(number: int, one: FileAttributes) -> Change:
    return Change(number, ChangeKind.CREATED, one.file_id, file=one)


def purged(number: int, one: FileAttributes) -> Change:
    destroyed = Destroyed(one.file_id, one.size, one.sha256, FileStatus.DELETED, Subject("x"), NOW, NOW)
    return Change(number, ChangeKind.PURGED, one.file_id, destroyed=destroyed)


async def test_what_changes_on_the_element_changes_in_the_registry(house: House) -> None:
    assert await house.follow() == 1
    one = file()
    await house.peer.tells(created(1, one))
    await house.until(lambda: house.row(one) == one)
    changed = replace(one, revision=2, description="new")
    await house.peer.tells(Change(2, ChangeKind.UPDATED, one.file_id, file=changed))
    await house.until(lambda: house.row(one) == changed)
    await house.peer.tells(purged(5, one))
    await house.until(lambda: house.position() == FeedPosition("feed-1", 5))
    gone = house.row(one)
    assert gone is not None
    assert gone.status is FileStatus.DELETED


async def test_another_mode_is_known_at_once(house: House) -> None:
    await house.follow()
    mode = ModeChange(Mode.RO, 7, NOW, Subject("root"))
    await house.peer.tells(Change(3, ChangeKind.MODE_CHANGED, None, mode=mode))
    await house.until(lambda: house.elements.records[house.one.element_id].info.mode is Mode.RO)


async def test_a_file_that_can_not_be_told_is_passed_over(house: House) -> None:
    await house.follow()
    unfit, good, untold = replace(file(), sha256="short"), file(), file()
    await house.peer.tells(Change(1, ChangeKind.CREATED, untold.file_id), created(2, unfit), created(3, good))
    await house.until(lambda: house.position() == FeedPosition("feed-1", 3))
    assert list(house.registry.rows) == [good.file_id]


async def test_it_goes_on_where_it_stood(house: House) -> None:
    await house.follow()
    await house.peer.tells(created(1, file()))
    await house.until(lambda: house.position() == FeedPosition("feed-1", 1))
    house.peer.at["one:1"] = StorageUnavailable("away")
    await house.peer.tells(created(2, one := file()))
    await asyncio.sleep(0.05)
    assert house.row(one) is None
    house.peer.at["one:1"] = house.one.info
    await house.until(lambda: house.row(one) == one)
    assert house.peer.watched[-1] == FeedPosition("feed-1", 1)


async def test_another_feed_makes_a_full_sync_and_is_followed_from_where_that_says(house: House) -> None:
    house.peer.feed = FeedPosition("feed-2", 40)
    await house.follow()
    await house.until(lambda: house.position() is None)
    await house.until(lambda: bool(house.operations.tasks))
    (task,) = house.operations.tasks.values()
    assert (task.operation.kind, task.operation.element_id) == (OperationKind.SYNC, house.one.element_id)
    await house.feeds.begin(house.one.element_id, FeedPosition("feed-2", 40))
    await house.peer.tells(created(41, one := file()))
    await house.until(lambda: house.row(one) == one)


async def test_one_that_was_never_synced_is_synced_first_and_not_again_and_again(house: House) -> None:
    del house.feeds.positions[house.one.element_id]
    await house.follow()
    await house.until(lambda: len(house.operations.tasks) == 1)
    (operation,) = await house.operations.open()
    await house.operations.finish(operation.id, OperationState.SUCCEEDED, NOW)
    await asyncio.sleep(1.2)
    assert len(house.operations.tasks) == 1
    house.clock.advance(timedelta(minutes=10))
    await house.until(lambda: len(house.operations.tasks) == 2)
    assert house.peer.watched == []


async def test_one_replica_follows_and_another_when_it_lets_go(house: House) -> None:
    house.claims.others = {f"feed {house.one.element_id}"}
    assert await house.follow() == 0
    house.claims.others = set()
    assert await house.follow() == 1
    house.claims.down = True
    assert await house.follow() == 0


async def test_one_that_moves_is_followed_at_its_new_address_and_one_that_goes_no_more(house: House) -> None:
    await house.follow()
    await house.until(lambda: len(house.peer.watched) == 1)
    house.elements.records[house.one.element_id] = replace(house.one, endpoint="new:1")
    house.peer.at = {"new:1": house.one.info}
    assert await house.follow() == 1
    await house.peer.tells(created(1, one := file()))
    await house.until(lambda: house.row(one) == one)
    house.elements.records.clear()
    assert await house.follow() == 0


async def test_a_follower_that_fails_is_begun_again(house: House) -> None:
    await house.follow()
    await house.until(lambda: len(house.peer.watched) == 1)
    house.feeds.positions[house.one.element_id] = FeedPosition("feed-1", 0)
    house.peer.at["one:1"] = None  # type: ignore[assignment]  # answers nonsense
    await house.peer.tells(created(1, one := file()))
    house.peer.at["one:1"] = house.one.info
    await house.until(lambda: house.row(one) == one)


async def test_changes_come_in_batches_and_the_last_before_an_error_are_not_lost() -> None:
    async def told() -> AsyncIterator[FeedPosition | Change]:
        yield HERE
        for number in range(1, MOST + 3):
            yield created(number, file())
        raise StorageUnavailable("gone")

    numbers: list[int] = []

    async def take() -> None:
        async for batch in gathered(told()):
            assert len(batch) <= MOST
            numbers.extend(each.number for each in batch)

    with pytest.raises(StorageUnavailable):
        await take()
    assert numbers == list(range(MOST + 3))


def test_a_step_says_what_a_run_of_changes_means() -> None:
    element_id, one, other = ElementId("e"), file(), file()
    modes = [ModeChange(mode, revision, NOW, Subject("x")) for mode, revision in ((Mode.AR, 3), (Mode.RO, 2))]
    step = step_of(
        element_id, "feed-1",
        [
            HERE, created(1, one), Change(2, ChangeKind.MODE_CHANGED, None, mode=modes[0]), purged(3, other),
            Change(4, ChangeKind.MODE_CHANGED, None, mode=modes[1]), FeedPosition("feed-1", 9),
        ],
    )  # fmt: skip
    assert step.position == FeedPosition("feed-1", 9)
    assert step.entries == [Entry(element_id, one)]
    assert step.ended == {other.file_id: FileStatus.DELETED}
    assert step.mode == modes[0]
    assert step_of(element_id, "feed-1", [HERE]).empty


async def test_how_it_goes_is_seen(house: House) -> None:
    await house.follow()
    await house.peer.tells(created(1, file()))
    await house.until(lambda: house.position() == FeedPosition("feed-1", 1))
    await house.until(lambda: len(house.witness.frames) == 2)
    assert house.witness.frames[0] == HERE, "that it is there counts, too"
    house.peer.at["one:1"] = StorageUnavailable("away")
    await house.peer.tells(created(2, file()))
    await house.until(lambda: "interrupted" in house.witness.seen)
    house.peer.feed = FeedPosition("feed-2", 0)
    house.peer.at["one:1"] = house.one.info
    await house.until(lambda: "reset" in house.witness.seen)
    house.elements.records.clear()
    await house.follow()
    assert (house.witness.seen[0], house.witness.seen[-1]) == ("begun se-rw-01", "left")
