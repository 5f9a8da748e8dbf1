"""Registering, watching, listing and choosing elements."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.elements import ElementRecord, Health
from services.admin.domain.listing import ElementFilter, Position, read_cursor, write_cursor
from services.admin.usecases.list_elements import GetElement, ListElements
from services.admin.usecases.operations import StartOperation
from services.admin.usecases.register_element import RegisterElement
from services.admin.usecases.select_element import SelectElement
from services.admin.usecases.watch_elements import WatchElements
from services.model.elements import ElementStatus, Mode
from services.model.errors import (
    Conflict,
    DeadlineExceeded,
    InternalError,
    NotFound,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import RetentionPolicy
from services.model.ids import ElementId, ElementUuid
from services.model.operations import OperationKind
from services.model.paging import PageRequest
from tests.doubles.admin_operations import MemoryOperations
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.doubles.element_peer import FakeElementPeer
from tests.support.admin_things import NOW, info, record

ONLINE, OFFLINE = ElementStatus.ONLINE, ElementStatus.OFFLINE
PATIENCE = timedelta(seconds=15)


class House:
    """Admin's elements, and those that answer."""

    def __init__(self) -> None:
        self.elements = MemoryElements()
        self.peer = FakeElementPeer()
        self.clock = FakeClock(NOW)
        self.operations = MemoryOperations()
        start = StartOperation(operations=self.operations, elements=self.elements, clock=self.clock, nudge=lambda: None)
        self.register = RegisterElement(elements=self.elements, peer=self.peer, clock=self.clock, start=start)
        self.watch = WatchElements(elements=self.elements, peer=self.peer, clock=self.clock, patience=PATIENCE)

    async def status(self, name: str) -> Health:
        return next(each.health for each in await self.elements.all() if each.name == name)


@pytest.fixture
def house() -> House:
    return House()


async def test_an_element_is_asked_what_it_is_and_registered(house: House) -> None:
    house.peer.at["host:1"] = info("se-rw-01")
    element, created = await house.register("host:1", "")
    assert created
    assert (element.name, element.storage_id, element.endpoint) == ("se-rw-01", "se-rw-01", "host:1")
    assert (element.status, element.files, element.last_seen_at) == (ONLINE, 9, NOW)
    assert (await GetElement(elements=house.elements)(element.element_id)) == element
    (sync,) = await house.operations.open()
    assert (sync.kind, sync.element_id, sync.created_by) == (OperationKind.SYNC, element.element_id, "artstore-admin")


async def test_a_known_element_is_found_again_at_its_new_address(house: House) -> None:
    house.peer.at |= {"old:1": info("se-rw-01"), "new:1": info("se-rw-01")}
    first, _ = await house.register("old:1", "Archive")
    second, created = await house.register("new:1", "")
    assert not created
    assert (second.element_id, second.name, second.endpoint) == (first.element_id, "Archive", "new:1")


async def test_a_storage_id_of_another_directory_is_a_conflict(house: House) -> None:
    house.peer.at |= {"a:1": info(), "b:1": info(element_uuid=ElementUuid("0706e15a-324b-5f79-854f-dd19d9d7bd8a"))}
    await house.register("a:1", "")
    with pytest.raises(Conflict):
        await house.register("b:1", "")


@pytest.mark.parametrize(
    "answer",
    [StorageUnavailable("x"), DeadlineExceeded("x"), InternalError("x"), ValidationFailed("x"), info(version="\0")],
    ids=["unreachable", "slow", "nonsense", "refusing", "unfit"],
)
async def test_what_does_not_answer_as_an_element_is_not_registered(house: House, answer: object) -> None:
    house.peer.at["host:1"] = answer  # type: ignore[assignment]
    with pytest.raises(StorageUnavailable):
        await house.register("host:1", "")
    assert await house.elements.all() == []


@pytest.mark.parametrize("endpoint", ["", "host", "host:", ":1", "host:0", "host:65536", "ho st:1", "unix:/x", "a:1\n"])
async def test_an_endpoint_is_host_and_port(house: House, endpoint: str) -> None:
    with pytest.raises(ValidationFailed, match="endpoint"):
        await house.register(endpoint, "")


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "a\0"])
async def test_a_name_is_short_and_printable(house: House, name: str) -> None:
    with pytest.raises(ValidationFailed, match="name"):
        await house.register("host:1", name)


async def test_a_pass_sees_who_has_gone_and_who_is_back(house: House) -> None:
    house.peer.at |= {"a:1": info("se-a"), "b:1": info("se-b")}
    await house.register("a:1", "")
    await house.register("b:1", "")
    assert await house.watch() == 0
    house.clock.advance(5)
    gone = house.peer.at.pop("a:1")
    assert await house.watch() == 1
    assert await house.status("se-a") == Health(OFFLINE, house.clock.now(), "it cannot be reached")
    assert (await house.status("se-b")).status is ONLINE
    house.clock.advance(5)
    assert await house.watch() == 0
    house.peer.at["a:1"] = gone
    assert await house.watch() == 1
    assert await house.status("se-a") == Health(ONLINE, house.clock.now())


async def test_a_pass_keeps_what_the_elements_say(house: House) -> None:
    house.peer.at["a:1"] = info("se-a")
    await house.register("a:1", "")
    house.peer.at["a:1"] = info("se-a", used_bytes=12345, mode=Mode.RO)
    await house.watch()
    (seen,) = await house.elements.all()
    assert (seen.info.used_bytes, seen.info.mode) == (12345, Mode.RO)


async def test_one_that_hangs_delays_no_other(house: House) -> None:
    house.peer.at |= {"a:1": info("se-a"), "b:1": info("se-b")}
    await house.register("a:1", "")
    await house.register("b:1", "")
    house.peer.hangs.add("a:1")
    house.peer.at.pop("b:1")
    watching = asyncio.create_task(house.watch())
    async with asyncio.timeout(5):
        while (await house.status("se-b")).status is not OFFLINE:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_one_that_moves_while_it_is_asked_keeps_its_new_state(house: House) -> None:
    house.peer.at |= {"old:1": StorageUnavailable("gone"), "new:1": info("se-a")}
    stale = record("se-a", endpoint="old:1")
    house.elements.records[stale.element_id] = stale
    await house.register("new:1", "")
    watch = WatchElements(
        elements=AsReadBefore(house.elements, stale), peer=house.peer, clock=house.clock, patience=PATIENCE
    )
    assert await watch() == 0
    assert house.elements.records[stale.element_id].health.status is ONLINE


class AsReadBefore(MemoryElements):
    """The same elements, but the list is one that was read a moment ago."""

    def __init__(self, now: MemoryElements, *before: ElementRecord) -> None:
        super().__init__()
        self.records = now.records
        self._before = before

    async def all(self) -> Sequence[ElementRecord]:
        return self._before


async def test_a_pass_without_the_store_does_nothing(house: House) -> None:
    house.elements.down = True
    assert await house.watch() == 0


async def test_a_list_is_walked_page_by_page(house: House) -> None:
    records = [record(f"se-{number}") for number in range(5)]
    house.elements.records = {each.element_id: each for each in records}
    show = ListElements(elements=house.elements)
    first = await show(ElementFilter(), PageRequest(limit=2))
    second = await show(ElementFilter(), PageRequest(limit=2, cursor=first.next_cursor))
    third = await show(ElementFilter(), PageRequest(limit=2, cursor=second.next_cursor))
    names = [[each.name for each in page.items] for page in (first, second, third)]
    assert names == [["se-0", "se-1"], ["se-2", "se-3"], ["se-4"]]
    assert [page.has_more for page in (first, second, third)] == [True, True, False]
    assert third.next_cursor == ""
    assert {page.total for page in (first, second, third)} == {5}


def test_a_cursor_says_any_name() -> None:
    position = Position('Подвал "3"\n', ElementId("0706e15a-324b-5f79-854f-dd19d9d7bd8a"))
    assert read_cursor(write_cursor(position)) == position


@pytest.mark.parametrize(
    "cursor", ["x", "!", "ж", "e30", "W10", "WzEsMl0", "bnVsbA", "WyJhIiwiYiJd", "A" * 5000, "=" * 9]
)
def test_a_cursor_that_no_listing_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationFailed, match="cursor"):
        read_cursor(cursor)


async def test_an_unknown_element_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await GetElement(elements=house.elements)(ElementId("0706e15a-324b-5f79-854f-dd19d9d7bd8a"))


async def test_a_new_document_is_sent_to_addresses(house: House) -> None:
    one = replace(record("se-rw-01"), endpoint="host:1")
    house.elements.records[one.element_id] = one
    assert await SelectElement(elements=house.elements, clock=house.clock)(RetentionPolicy.PERMANENT, 10) == [
        one.address
    ]
