"""Asking addresses what they are; renaming, moving and forgetting elements; avoiding those that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.admin.domain.registry import Entry
from services.admin.usecases.change_element import RemoveElement, UpdateElement
from services.admin.usecases.register_element import DiscoverElement
from services.admin.usecases.select_element import AvoidElement
from services.chassis.caller import Identity
from services.model.elements import ElementStatus, Mode
from services.model.errors import Conflict, NotFound, StorageUnavailable, ValidationFailed
from services.model.ids import ElementId, ElementUuid, Subject
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.doubles.element_peer import FakeElementPeer
from tests.support.admin_things import NOW, file, info, record

SOMEBODY = Identity(Subject("admin"), frozenset({"storage:write"}))
NOBODY = ElementId("0198c0de-0000-4000-8000-000000000000")
OTHER_UUID = ElementUuid("0706e15a-324b-5f79-854f-dd19d9d7bd8a")


class House:
    """One registered element, and whatever answers."""

    def __init__(self) -> None:
        self.one = record("se-rw-01", name="Archive", endpoint="old:1")
        self.elements = MemoryElements(self.one)
        self.registry = MemoryRegistry(self.elements)
        self.peer = FakeElementPeer()
        self.clock = FakeClock(NOW + timedelta(hours=1))
        self.discover = DiscoverElement(elements=self.elements, peer=self.peer)
        self.update = UpdateElement(elements=self.elements, peer=self.peer, clock=self.clock)
        self.remove = RemoveElement(elements=self.elements, registry=self.registry)


@pytest.fixture
def house() -> House:
    return House()


async def test_an_address_says_what_it_is_and_nothing_is_registered(house: House) -> None:
    house.peer.at |= {"old:1": info("se-rw-01"), "new:1": info("se-edit-01", mode=Mode.EDIT)}
    assert await house.discover("new:1") == (house.peer.at["new:1"], None)
    assert await house.discover("old:1") == (house.peer.at["old:1"], house.one.element_id)
    assert list(house.elements.records) == [house.one.element_id]


async def test_an_address_where_nothing_answers_is_told_so(house: House) -> None:
    with pytest.raises(StorageUnavailable, match="no storage element of this installation"):
        await house.discover("nowhere:1")
    with pytest.raises(ValidationFailed, match="host:port"):
        await house.discover("nowhere")


async def test_a_name_is_changed_without_asking_the_element(house: House) -> None:
    element = await house.update(house.one.element_id, name="Cellar", endpoint=None, user=SOMEBODY)
    assert (element.name, element.endpoint) == ("Cellar", "old:1")
    element = await house.update(house.one.element_id, name="", endpoint=None, user=SOMEBODY)
    assert element.name == "se-rw-01"


async def test_an_element_is_moved_to_where_it_answers(house: House) -> None:
    house.peer.at["new:1"] = info("se-rw-01", used_bytes=5)
    element = await house.update(house.one.element_id, name=None, endpoint="new:1", user=SOMEBODY)
    assert (element.name, element.endpoint, element.used_bytes) == ("Archive", "new:1", 5)
    assert (element.status, element.last_seen_at) == (ElementStatus.ONLINE, house.clock.now())


@pytest.mark.parametrize("said", [info("se-rw-02"), info("se-rw-01", element_uuid=OTHER_UUID)], ids=["other", "new"])
async def test_an_element_is_not_moved_to_where_another_one_answers(house: House, said: object) -> None:
    house.peer.at["new:1"] = said  # type: ignore[assignment]
    with pytest.raises(Conflict, match="another element answers there, not se-rw-01"):
        await house.update(house.one.element_id, name="Cellar", endpoint="new:1", user=SOMEBODY)
    assert house.elements.records[house.one.element_id] == house.one


async def test_what_cannot_be_changed_is_refused(house: House) -> None:
    with pytest.raises(ValidationFailed, match="nothing to change"):
        await house.update(house.one.element_id, name=None, endpoint=None, user=SOMEBODY)
    with pytest.raises(ValidationFailed, match="name"):
        await house.update(house.one.element_id, name="a\nb", endpoint=None, user=SOMEBODY)
    with pytest.raises(StorageUnavailable):
        await house.update(house.one.element_id, name=None, endpoint="nowhere:1", user=SOMEBODY)
    with pytest.raises(NotFound):
        await house.update(NOBODY, name="x", endpoint=None, user=SOMEBODY)


async def test_an_empty_element_is_forgotten(house: House) -> None:
    assert await house.remove(house.one.element_id, force=False, user=SOMEBODY) == 0
    with pytest.raises(NotFound):
        await house.remove(house.one.element_id, force=False, user=SOMEBODY)


async def test_an_element_with_files_is_forgotten_only_by_force_and_they_with_it(house: House) -> None:
    await house.registry.record([Entry(house.one.element_id, file()) for _ in range(3)])
    with pytest.raises(Conflict, match="files of this element"):
        await house.remove(house.one.element_id, force=False, user=SOMEBODY)
    assert len(house.registry.rows) == 3
    assert await house.remove(house.one.element_id, force=True, user=SOMEBODY) == 3
    assert house.registry.rows == {}
    assert house.elements.records == {}


async def test_files_that_keep_coming_in_are_told_of(house: House) -> None:
    house.elements.holding = lambda _: True
    with pytest.raises(Conflict, match="keep coming in"):
        await house.remove(house.one.element_id, force=True, user=SOMEBODY)


async def test_an_element_that_has_failed_is_avoided_for_a_while(house: House) -> None:
    avoid = AvoidElement(elements=house.elements, clock=house.clock, pause=timedelta(seconds=30))
    await avoid(house.one.element_id)
    assert house.elements.records[house.one.element_id].avoid_until == house.clock.now() + timedelta(seconds=30)
    await avoid(NOBODY)
