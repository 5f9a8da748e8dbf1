"""Verifying a document, the quarantine and restoring through Admin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.registry import Entry
from services.admin.usecases.keep_files import ListElementQuarantine, RestoreQuarantinedItem, VerifyFile
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.errors import Conflict, NotFound, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId, QuarantineId, Subject
from services.model.maintenance import QuarantineItem, Verified
from services.model.paging import Page, PageRequest
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.documents import a_file, new_id
from tests.support.admin_things import NOW, record

ANNA = Identity(Subject("anna"), frozenset({"files:read", "storage:read", "storage:write"}))
UNKNOWN = ElementId("00000000-0000-4000-8000-000000000000")
ITEM = QuarantineId("20261121T013000123_damaged_x")
PAGE = Page([QuarantineItem(ITEM, "damaged", NOW, None, "", ("a.pdf",), 3, "because", "", "")], 1, has_more=False)


class FakeKeeping:
    """Fills `services.admin.ports.ElementKeeping` with one file."""

    def __init__(self, file: FileAttributes) -> None:
        self.file = file
        self.refuses: Exception | None = None
        self.asked: list[tuple[str, str, Subject]] = []

    async def verify(self, address: ElementAddress, file_id: FileId, *, user: Identity) -> Verified:
        self._ask("verify", file_id, user)
        return Verified(self.file, self.file.status, 3, "1" * 64, NOW + timedelta(seconds=1))

    async def quarantine(self, address: ElementAddress, page: PageRequest, *, user: Identity) -> Page[QuarantineItem]:
        self._ask("quarantine", str(page.limit), user)
        return PAGE

    async def restore(self, address: ElementAddress, item_id: QuarantineId, *, user: Identity) -> FileAttributes:
        self._ask("restore", item_id, user)
        return self.file

    def _ask(self, what: str, of: str, user: Identity) -> None:
        self.asked.append((what, of, user.subject))
        if self.refuses:
            raise self.refuses


class House:
    """One registered element with one document."""

    def __init__(self) -> None:
        self.record = record("se-rw-01")
        self.elements = MemoryElements(self.record)
        self.registry = MemoryRegistry(self.elements)
        self.file = a_file(new_id())
        self.registry.rows[self.file.file_id] = Entry(self.record.element_id, self.file)
        self.keeping = FakeKeeping(self.file)
        self.verify = VerifyFile(registry=self.registry, keeping=self.keeping)
        self.quarantine = ListElementQuarantine(elements=self.elements, keeping=self.keeping)
        self.restore = RestoreQuarantinedItem(elements=self.elements, registry=self.registry, keeping=self.keeping)

    def changed(self, status: FileStatus) -> FileAttributes:
        """What the element says from now on."""
        self.keeping.file = replace(self.file, status=status, revision=self.file.revision + 1)
        return self.keeping.file

    def row(self) -> FileAttributes:
        return self.registry.rows[self.file.file_id].file


@pytest.fixture
def house() -> House:
    return House()


async def test_the_element_that_has_the_document_is_asked_in_the_name_of_the_user(house: House) -> None:
    found = await house.verify(house.file.file_id, user=ANNA)
    assert (found.outcome, found.file) == (FileStatus.ACTIVE, house.file)
    assert house.keeping.asked == [("verify", house.file.file_id, "anna")]


async def test_what_the_element_found_is_in_the_registry_at_once(house: House) -> None:
    damaged = house.changed(FileStatus.DAMAGED)
    found = await house.verify(house.file.file_id, user=ANNA)
    assert (found.outcome, found.file, house.row()) == (FileStatus.DAMAGED, damaged, damaged)
    good = house.changed(FileStatus.ACTIVE)
    house.keeping.file = replace(good, revision=good.revision + 1)
    assert (await house.restore(house.record.element_id, ITEM, user=ANNA)).status is FileStatus.ACTIVE
    assert house.row() == house.keeping.file


async def test_an_answer_that_makes_no_sense_changes_nothing(house: House) -> None:
    house.keeping.file = a_file(new_id())
    with pytest.raises(StorageUnavailable):
        await house.verify(house.file.file_id, user=ANNA)
    house.keeping.file = replace(house.file, sha256="x", revision=7)
    with pytest.raises(ValidationFailed):
        await house.verify(house.file.file_id, user=ANNA)
    assert house.row() == house.file
    assert len(house.registry.rows) == 1


async def test_the_quarantine_is_the_elements(house: House) -> None:
    assert await house.quarantine(house.record.element_id, PageRequest(limit=7), user=ANNA) == PAGE
    assert house.keeping.asked == [("quarantine", "7", "anna")]


async def test_what_is_not_known_is_not_asked_for(house: House) -> None:
    with pytest.raises(NotFound):
        await house.verify(new_id(), user=ANNA)
    with pytest.raises(NotFound):
        await house.quarantine(UNKNOWN, PageRequest(), user=ANNA)
    with pytest.raises(NotFound):
        await house.restore(UNKNOWN, ITEM, user=ANNA)
    with pytest.raises(ValidationFailed):
        await house.quarantine(house.record.element_id, PageRequest(limit=0), user=ANNA)
    assert house.keeping.asked == []


async def test_what_the_element_refuses_is_told(house: House) -> None:
    house.keeping.refuses = Conflict("its bytes are not those")
    with pytest.raises(Conflict):
        await house.restore(house.record.element_id, ITEM, user=ANNA)
    assert house.row() == house.file
