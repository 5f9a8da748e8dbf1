"""What a full sync makes of an element's listing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.admin.domain.operations import Task
from services.admin.domain.registry import Entry
from services.admin.domain.sync import MOST_GONE, Known, Standing, standing, too_many_gone
from services.admin.usecases.sync_element import SyncElement
from services.admin.usecases.take_page import AT_ONCE
from services.model.elements import ElementStatus
from services.model.errors import (
    ArtStoreError,
    ConfirmationRequired,
    Conflict,
    DeadlineExceeded,
    FileDamaged,
    FileDeleted,
    FileExpired,
    InternalError,
    NotFound,
    ServiceUnavailable,
    StorageUnavailable,
)
from services.model.feed import FeedPosition
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, ElementUuid
from services.model.operations import Operation, OperationId, OperationKind, OperationState, Progress
from tests.doubles.admin_feeds import MemoryFeeds
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.doubles.element_peer import FakeElementPeer
from tests.support.admin_things import NOW, file, info, record

ACTIVE, MISSING = FileStatus.ACTIVE, FileStatus.MISSING


class House:
    """An element and a registry, which may agree or not."""

    def __init__(self, registry: type[MemoryRegistry] = MemoryRegistry) -> None:
        self.one, self.other = record("se-rw-01", endpoint="one:1"), record("se-rw-02", endpoint="other:1")
        self.elements = MemoryElements(self.one, self.other)
        self.registry = registry(self.elements)
        self.peer = FakeElementPeer()
        self.peer.at["one:1"] = self.one.info
        self.clock = FakeClock(NOW + timedelta(hours=1))
        self.feeds = MemoryFeeds(self.elements, self.registry)
        self.sync = SyncElement(
            elements=self.elements,
            registry=self.registry,
            feeds=self.feeds,
            peer=self.peer,
            clock=self.clock,
            note_every=0,
        )
        self.notes: list[tuple[Progress, Mapping[str, Any]]] = []

    async def __call__(self, *, force: bool = False, memory: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        operation = Operation(
            OperationId("x"), OperationKind.SYNC, self.one.element_id, OperationState.RUNNING, "admin", NOW
        )
        return await self.sync(Task(operation, {"force": force}, memory or {}, 1), self._note)

    async def _note(self, progress: Progress, memory: Mapping[str, Any]) -> None:
        self.notes.append((progress, memory))

    async def holds(self, *files: FileAttributes, known: bool = True) -> None:
        """The element has these files, and the registry their rows."""
        self.peer.files |= {each.file_id: each for each in files}
        if known:
            await self.registry.record([Entry(self.one.element_id, each) for each in files])

    async def registered(self, *files: FileAttributes, element_id: ElementId | None = None) -> None:
        """The registry has rows of files that the element does not have."""
        await self.registry.record([Entry(element_id or self.one.element_id, each) for each in files])

    def status(self, one: FileAttributes) -> FileStatus:
        return self.registry.rows[one.file_id].file.status


@pytest.fixture
def house() -> House:
    return House()


def some(count: int) -> list[FileAttributes]:
    return [file(uploaded_at=NOW + timedelta(seconds=number)) for number in range(count)]


def counts(result: Mapping[str, Any], **expected: int) -> None:
    assert {name: result[name] for name in expected} == expected


async def test_an_empty_registry_gets_all_that_the_element_has(house: House) -> None:
    files = [*some(5), file(status=FileStatus.DELETED, deleted_at=NOW, revision=2)]
    await house.holds(*files, known=False)
    counts(await house(), listed=6, added=6, updated=0, unchanged=0, missing=0)
    assert {row.file.file_id: row for row in house.registry.rows.values()} == {
        each.file_id: Entry(house.one.element_id, each) for each in files
    }
    assert house.elements.records[house.one.element_id].last_sync_at == house.clock.now()
    assert await house.feeds.position(house.one.element_id) == house.peer.feed


async def test_a_second_sync_changes_nothing(house: House) -> None:
    await house.holds(*some(5), known=False)
    await house()
    before = dict(house.registry.rows)
    counts(await house(), listed=5, added=0, updated=0, unchanged=5, missing=0)
    assert house.registry.rows == before


async def test_a_later_revision_on_the_disk_is_taken(house: House) -> None:
    old, other = some(2)
    await house.registered(old, other)
    await house.holds(replace(old, revision=2, description="new"), other, known=False)
    counts(await house(), updated=1, unchanged=1)
    assert house.registry.rows[old.file_id].file.description == "new"


async def test_what_is_not_listed_and_not_known_is_missing_and_comes_back_when_seen(house: House) -> None:
    gone, *rest = some(6)
    await house.registered(gone)
    await house.holds(*rest)
    result = await house()
    counts(result, missing=1, unchanged=5)
    assert result["examples"]["missing"] == [gone.file_id]
    assert house.status(gone) is MISSING
    counts(await house(), missing=0)
    await house.holds(gone, known=False)
    counts(await house(), updated=1)
    assert house.status(gone) is ACTIVE


async def test_what_is_not_listed_but_there_is_not_missing(house: House) -> None:
    files = some(4)
    await house.holds(*files)
    changed = replace(files[0], revision=2)
    house.peer.files[changed.file_id] = changed
    house.peer.unlisted = {files[0].file_id, files[3].file_id}
    counts(await house(), missing=0, updated=1)
    assert house.registry.rows[changed.file_id].file == changed


@pytest.mark.parametrize(
    ("error", "status"),
    [(FileDeleted("destroyed"), FileStatus.DELETED), (FileExpired("destroyed"), FileStatus.EXPIRED)],
)
async def test_what_the_element_has_destroyed_has_ended(house: House, error: ArtStoreError, status: FileStatus) -> None:
    ended, *rest = some(4)
    await house.registered(ended)
    await house.holds(*rest)
    house.peer.files[ended.file_id] = error
    counts(await house(), ended=1, missing=0)
    assert house.status(ended) is status
    counts(await house(), ended=0, missing=0)


async def test_what_the_element_cannot_read_is_left_as_it_is(house: House) -> None:
    damaged, *rest = some(4)
    await house.registered(damaged)
    await house.holds(*rest)
    house.peer.files[damaged.file_id] = FileDamaged("its attributes are damaged")
    result = await house()
    counts(result, unreadable=1, missing=0)
    assert result["examples"]["unreadable"] == [damaged.file_id]
    assert house.status(damaged) is ACTIVE


@pytest.mark.parametrize("error", [StorageUnavailable("away"), DeadlineExceeded("slow")])
async def test_an_element_that_goes_away_fails_the_sync_and_nothing_is_missing(
    house: House, error: ArtStoreError
) -> None:
    gone, *rest = some(4)
    await house.registered(gone)
    await house.holds(*rest)
    house.peer.files[gone.file_id] = error
    with pytest.raises(StorageUnavailable):
        await house()
    assert house.status(gone) is ACTIVE


async def test_a_file_on_two_elements_counts_by_its_revision_and_is_told(house: House) -> None:
    here, there = some(2)
    await house.registered(here, replace(there, revision=5), element_id=house.other.element_id)
    await house.holds(replace(here, revision=2), there, known=False)
    result = await house()
    counts(result, elsewhere=2, updated=1, unchanged=1)
    assert sorted(result["examples"]["elsewhere"]) == sorted([here.file_id, there.file_id])
    assert house.registry.rows[here.file_id].element_id == house.one.element_id
    assert house.registry.rows[there.file_id].element_id == house.other.element_id


async def test_a_file_that_another_element_misses_is_found_here(house: House) -> None:
    moved = file()
    await house.registered(replace(moved, status=MISSING), element_id=house.other.element_id)
    await house.holds(moved, known=False)
    counts(await house(), updated=1)
    assert house.registry.rows[moved.file_id] == Entry(house.one.element_id, moved)


HERE, THERE = record("se-rw-01").element_id, record("se-rw-02").element_id
LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("row", "says", "expected"),
    [
        (None, {}, Standing.NEW),
        ({}, {}, Standing.SAME),
        ({"revision": 4}, {"revision": 5}, Standing.LATER),
        ({"revision": 4, "element_id": THERE}, {"revision": 5}, Standing.LATER),
        ({"status": MISSING}, {}, Standing.LATER),
        ({"status": MISSING}, {"status": MISSING}, Standing.SAME),
        ({"revision": 6}, {"revision": 5}, Standing.EARLIER),
        ({"revision": 6, "status": MISSING}, {"revision": 5}, Standing.EARLIER),
        ({"revision": 6, "element_id": THERE}, {"revision": 5}, Standing.SAME),
        ({}, {"epoch": 9}, Standing.OTHER),
        ({}, {"updated_at": LATER}, Standing.OTHER),
        ({}, {"updated_at": NOW - timedelta(seconds=1)}, Standing.OTHER),
        ({}, {"sha256": "5" * 64}, Standing.OTHER),
        ({}, {"status": FileStatus.DELETED}, Standing.OTHER),
        ({"status": FileStatus.DELETED}, {}, Standing.OTHER),
        ({}, {"status": MISSING}, Standing.OTHER),
        ({"status": MISSING}, {"status": MISSING, "epoch": 9}, Standing.OTHER),
        ({"element_id": THERE}, {"epoch": 9, "sha256": "5" * 64}, Standing.SAME),
        ({"updated_at": NOW + timedelta(microseconds=999)}, {}, Standing.SAME),
    ],
)
def test_how_a_file_stands_to_its_row(row: dict[str, Any] | None, says: dict[str, Any], expected: Standing) -> None:
    said = replace(file(revision=5, epoch=2), **says)
    plain = Known(said.file_id, HERE, 5, ACTIVE, 2, NOW, file().sha256)
    known = None if row is None else replace(plain, **row)
    assert standing(Entry(HERE, said), known) is expected


async def test_another_history_that_came_to_the_same_revision_is_believed(house: House) -> None:
    same, other, moved = some(3)
    await house.holds(same)
    await house.registered(replace(other, revision=5, epoch=7, description="as it was before the restore"))
    await house.registered(replace(moved, revision=5, epoch=7), element_id=house.other.element_id)
    disk = replace(other, revision=5, epoch=6, updated_at=LATER, description="as it is now")
    await house.holds(disk, replace(moved, revision=5, epoch=6), known=False)
    await house.feeds.begin(house.one.element_id, house.peer.feed)
    result = await house()
    counts(result, differing=1, updated=1, unchanged=2, older=0, elsewhere=1)
    assert result["examples"]["differing"] == [other.file_id]
    assert house.registry.rows[other.file_id].file == disk
    counts(await house(), differing=0, updated=0, unchanged=3)


async def test_a_late_message_of_the_same_revision_turns_nothing_back(house: House) -> None:
    one = file(revision=5)
    await house.holds(replace(one, updated_at=LATER, description="as it is now"))
    await house.registered(one)
    assert house.registry.rows[one.file_id].file.description == "as it is now"


@pytest.mark.parametrize("revision", [4, 5])
async def test_what_has_come_since_the_row_was_seen_is_not_turned_back(house: House, revision: int) -> None:
    row = file(revision=5)
    await house.registered(row)
    house.peer.files[row.file_id] = replace(row, revision=revision, epoch=9, description="behind")
    house.peer.when_asked = lambda: house.registered(replace(row, revision=6, description="came meanwhile"))
    counts(await house(force=True), updated=0)
    assert house.registry.rows[row.file_id].file.description == "came meanwhile"


async def test_a_disk_that_was_restored_is_believed_where_it_is_older(house: House) -> None:
    old, rest = some(2)
    await house.holds(old, rest)
    await house()
    await house.registered(replace(old, revision=4, description="later"))
    house.peer.feed = FeedPosition("feed-2", 3)
    counts(await house(), older=1, updated=1, unchanged=1)
    assert house.registry.rows[old.file_id].file == old
    assert await house.feeds.position(house.one.element_id) == house.peer.feed


async def test_a_disk_that_went_back_in_time_is_told_of_and_believed_only_by_force(house: House) -> None:
    old = file(revision=2)
    await house.holds(old)
    await house.feeds.begin(house.one.element_id, house.peer.feed)
    newer = replace(old, revision=4, description="later")
    await house.registered(newer)
    result = await house()
    counts(result, older=1, updated=0)
    assert result["examples"]["older"] == [old.file_id]
    assert house.registry.rows[old.file_id].file == newer
    counts(await house(force=True), older=1, updated=1)
    assert house.registry.rows[old.file_id].file == old


@pytest.mark.parametrize(
    ("gone", "expected", "too_many"),
    [
        (0, 0, False), (1, 1, False), (2, 2, True), (1, 2, False), (3, 4, False), (3, 3, True), (4, 100, True),
        (4, 400, False), (5, 499, True), (1000, 10**9, False), (1001, 10**9, True), (101, 10_000, True),
    ],
)  # fmt: skip
def test_how_many_are_too_many(gone: int, expected: int, too_many: bool) -> None:
    assert too_many_gone(gone, expected) is too_many


async def test_a_sync_that_would_mark_too_many_stops_and_the_element_is_degraded(house: House) -> None:
    gone, left = some(8)[:4], some(8)[4:]
    await house.registered(*gone)
    await house.holds(*left)
    with pytest.raises(ConfirmationRequired, match="4 or more files"):
        await house()
    assert {house.status(each) for each in gone} == {ACTIVE}
    condition = house.elements.records[house.one.element_id].condition
    assert (condition.status, condition.since) == (ElementStatus.DEGRADED, house.clock.now())
    assert "sync with force" in condition.reason
    counts(await house(force=True), missing=4)
    assert {house.status(each) for each in gone} == {MISSING}
    assert house.elements.records[house.one.element_id].condition.status is ElementStatus.ONLINE


async def test_an_element_that_has_lost_everything_is_not_believed(house: House) -> None:
    await house.registered(*some(2))
    with pytest.raises(ConfirmationRequired):
        await house()


async def test_a_sync_stops_as_soon_as_it_is_too_much_whatever_the_size(house: House) -> None:
    await house.registered(*some(MOST_GONE + 2))
    with pytest.raises(ConfirmationRequired, match="1002 or more"):
        await house()


async def test_another_directory_is_not_compared(house: House) -> None:
    await house.registered(*some(1))
    house.peer.at["one:1"] = info("se-rw-01", element_uuid=ElementUuid("0706e15a-324b-5f79-854f-dd19d9d7bd8a"))
    with pytest.raises(Conflict, match="another element answers there"):
        await house()
    assert house.peer.listings == 0


async def test_an_element_that_lists_in_no_order_is_not_believed(house: House) -> None:
    await house.holds(*some(4))
    house.peer.out_of_order = True
    with pytest.raises(InternalError, match="in no order"):
        await house()


async def test_a_file_that_no_registry_can_hold_hides_no_other(house: House) -> None:
    bad, good = some(2)
    await house.holds(replace(bad, sha256="short"), good, known=False)
    counts(await house(), added=1, unfit=1)
    assert list(house.registry.rows) == [good.file_id]


async def test_an_interrupted_sync_goes_on_where_it_stood(house: House) -> None:
    gone, *rest = some(7)
    await house.registered(gone)
    await house.holds(*rest, known=False)
    whole = await house()
    assert [(progress.done, progress.total) for progress, _ in house.notes] == [(2, 6), (4, 6), (6, 6)]
    house.registry.rows = {gone.file_id: Entry(house.one.element_id, gone)}
    memory, house.peer.listings = house.notes[0][1], 0
    await house.registered(*(rest[:2]))
    result = await house(memory=memory)
    assert house.peer.listings == 2
    assert result == whole
    other_directory = {**memory, "element_uuid": "0706e15a-324b-5f79-854f-dd19d9d7bd8a"}
    house.peer.listings = 0
    await house(memory=other_directory)
    assert house.peer.listings == 3


class Uneven(MemoryRegistry):
    """Writes the second page before the first one, which fails once."""

    def __init__(self, elements: MemoryElements) -> None:
        super().__init__(elements)
        self.calls = 0
        self.second = asyncio.Event()

    async def add(self, entries: Sequence[Entry]) -> None:
        self.calls += 1
        if self.calls == 1:
            await self.second.wait()
            raise ServiceUnavailable("the registry is away")
        await super().add(entries)
        self.second.set()


async def test_pages_are_taken_side_by_side_but_where_it_stands_is_what_is_whole() -> None:
    house = House(Uneven)
    files = some(6)
    await house.holds(*files, known=False)
    async with asyncio.timeout(10):
        with pytest.raises(ServiceUnavailable):
            await house()
    assert house.notes == []
    assert set(house.registry.rows) == {each.file_id for each in files[2:4]}
    counts(await house(), listed=6, added=4, unchanged=2)
    assert [memory["tally"]["listed"] for _, memory in house.notes] == [2, 4, 6]
    assert len(house.registry.rows) == 6


async def test_no_more_pages_are_read_ahead_than_are_taken(house: House) -> None:
    house.registry.adding.clear()
    await house.holds(*some(40), known=False)
    syncing = asyncio.create_task(house())
    async with asyncio.timeout(10):
        for _ in range(300):  # turns of the loop: nothing else would happen in any time
            await asyncio.sleep(0)
        assert house.peer.listings == AT_ONCE + 1
        house.registry.adding.set()
        counts(await syncing, added=40)


async def test_an_element_that_is_not_registered_any_more_is_told_of(house: House) -> None:
    del house.elements.records[house.one.element_id]
    with pytest.raises(NotFound):
        await house()
