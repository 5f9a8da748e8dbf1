"""Looking into an element and changing its mode through Admin."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.admin.usecases.run_element import CollectElementGarbage, LookIntoElement, TransitionElementMode
from services.chassis.caller import Identity
from services.model.elements import ElementAddress, ElementInfo, ElementStatus, Mode
from services.model.errors import InvalidTransition, NotFound, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, Subject
from services.model.maintenance import Collected
from services.model.paging import Page, PageRequest
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.doubles.documents import a_file
from tests.support.admin_things import NOW, info, record

ANNA = Identity(Subject("anna"), frozenset({"storage:read", "storage:write"}))
UNKNOWN = ElementId("00000000-0000-4000-8000-000000000000")


class FakeControl:
    """Fills `services.admin.ports.ElementControl` with one element."""

    def __init__(self) -> None:
        self.present: ElementInfo = info("se-rw-01")
        self.refuses: Exception | None = None
        self.asked: list[tuple[str, Subject]] = []
        self.page = Page([a_file()], 1, has_more=False)

    async def info(self, address: ElementAddress, *, user: Identity) -> ElementInfo:
        self._ask("info", user)
        return self.present

    async def files(
        self, address: ElementAddress, status: FileStatus | None, page: PageRequest, *, user: Identity
    ) -> Page[FileAttributes]:
        self._ask(f"files {status}", user)
        return self.page

    async def transition_mode(
        self, address: ElementAddress, target: Mode, *, confirm: bool, user: Identity
    ) -> ElementInfo:
        self._ask(f"{target} {confirm}", user)
        self.present = replace(self.present, mode=target, mode_revision=self.present.mode_revision + 1)
        return self.present

    async def run_gc(self, address: ElementAddress, *, confirm_clock: bool, user: Identity) -> Collected:
        self._ask(f"gc {confirm_clock}", user)
        return Collected(destroyed=2, freed=7)

    def _ask(self, what: str, user: Identity) -> None:
        self.asked.append((what, user.subject))
        if self.refuses:
            raise self.refuses


class House:
    """One registered element, as Admin has it and as it is."""

    def __init__(self) -> None:
        self.record = record("se-rw-01")
        self.elements, self.control = MemoryElements(self.record), FakeControl()
        self.control.present = self.record.info
        self.look = LookIntoElement(elements=self.elements, control=self.control)
        self.transition = TransitionElementMode(elements=self.elements, control=self.control, clock=FakeClock(NOW))


@pytest.fixture
def house() -> House:
    return House()


async def test_an_element_is_asked_in_the_name_of_the_user(house: House) -> None:
    assert await house.look.info(house.record.element_id, user=ANNA) == house.record.info
    page = await house.look.files(house.record.element_id, FileStatus.DELETED, PageRequest(), user=ANNA)
    assert page == house.control.page
    assert house.control.asked == [("info", "anna"), ("files deleted", "anna")]


async def test_a_transition_shows_in_the_registry_at_once(house: House) -> None:
    element = await house.transition(house.record.element_id, Mode.RO, confirm=False, user=ANNA)
    assert (element.mode, element.status) == (Mode.RO, ElementStatus.ONLINE)
    assert house.elements.records[house.record.element_id].info.mode is Mode.RO
    assert house.control.asked == [("ro False", "anna")]


@pytest.mark.parametrize("refusal", [InvalidTransition("no"), StorageUnavailable("away")])
async def test_what_the_element_refuses_is_told_and_changes_nothing(house: House, refusal: Exception) -> None:
    house.control.refuses = refusal
    with pytest.raises(type(refusal)):
        await house.transition(house.record.element_id, Mode.EDIT, confirm=True, user=ANNA)
    assert house.elements.records[house.record.element_id] == house.record


async def test_garbage_is_collected_on_request(house: House) -> None:
    collect = CollectElementGarbage(elements=house.elements, control=house.control)
    done = await collect(house.record.element_id, confirm_clock=True, user=ANNA)
    assert done == Collected(destroyed=2, freed=7)
    assert house.control.asked == [("gc True", "anna")]
    with pytest.raises(NotFound):
        await collect(UNKNOWN, confirm_clock=False, user=ANNA)


async def test_an_unknown_element_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.look.info(UNKNOWN, user=ANNA)
    with pytest.raises(NotFound):
        await house.look.files(UNKNOWN, None, PageRequest(), user=ANNA)
    with pytest.raises(NotFound):
        await house.transition(UNKNOWN, Mode.RO, confirm=False, user=ANNA)
    assert house.control.asked == []


async def test_a_page_has_its_limits(house: House) -> None:
    with pytest.raises(ValidationFailed):
        await house.look.files(house.record.element_id, None, PageRequest(limit=0), user=ANNA)
