"""Updates and deletions, as the use cases decide them."""

from __future__ import annotations

import pytest

from services.ingester.usecases.delete_file import DeleteFile
from services.ingester.usecases.update_file import UpdateFile
from services.model.errors import InternalError, ModeNotAllowed, NotFound, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileChange, FileStatus
from tests.doubles.documents import SOMEBODY, a_file, an_element, new_id
from tests.doubles.ingester import FakeDirectory, FakeElement, FakeElements


class Ground:
    """One element with one registered document."""

    def __init__(self) -> None:
        self.element = FakeElement()
        self.address = an_element("se-edit-01")
        self.directory = FakeDirectory(self.address)
        self.file = a_file()
        self.element.files[self.file.file_id] = (self.file, b"")
        self.directory.rows[self.file.file_id] = (self.address, self.file)
        elements = FakeElements({self.address: self.element})
        self.update = UpdateFile(directory=self.directory, elements=elements)
        self.delete = DeleteFile(directory=self.directory, elements=elements)

    @property
    def registered(self) -> FileAttributes:
        return self.directory.rows[self.file.file_id][1]


@pytest.fixture
def ground() -> Ground:
    return Ground()


async def test_a_change_is_made_on_the_element_and_registered(ground: Ground) -> None:
    changed = await ground.update(ground.file.file_id, FileChange(description="new"), 0, by=SOMEBODY)
    assert (changed.description, changed.revision) == ("new", 2)
    assert ground.registered == changed


async def test_a_change_of_nothing_is_refused(ground: Ground) -> None:
    with pytest.raises(ValidationFailed):
        await ground.update(ground.file.file_id, FileChange(), 0, by=SOMEBODY)


async def test_a_deletion_is_made_on_the_element_and_registered(ground: Ground) -> None:
    deleted = await ground.delete(ground.file.file_id, 0, by=SOMEBODY)
    assert deleted.status is FileStatus.DELETED
    assert ground.registered == deleted


async def test_deleting_twice_is_fine_even_if_the_element_has_forgotten_it(ground: Ground) -> None:
    deleted = await ground.delete(ground.file.file_id, 0, by=SOMEBODY)
    ground.element.files.clear()
    assert await ground.delete(ground.file.file_id, 0, by=SOMEBODY) == deleted


async def test_an_unknown_document_cannot_be_deleted_or_changed(ground: Ground) -> None:
    with pytest.raises(NotFound):
        await ground.delete(new_id(), 0, by=SOMEBODY)
    with pytest.raises(NotFound):
        await ground.update(new_id(), FileChange(description="x"), 0, by=SOMEBODY)


@pytest.mark.parametrize("refusal", [ModeNotAllowed("rw"), StorageUnavailable("away")], ids=lambda e: e.code)
async def test_what_the_element_refuses_changes_no_row(
    ground: Ground, refusal: ModeNotAllowed | StorageUnavailable
) -> None:
    ground.element.refuses_change = refusal
    with pytest.raises(type(refusal)):
        await ground.delete(ground.file.file_id, 0, by=SOMEBODY)
    with pytest.raises(type(refusal)):
        await ground.update(ground.file.file_id, FileChange(description="x"), 0, by=SOMEBODY)
    assert ground.registered == ground.file


async def test_an_element_that_answers_for_another_document_changes_no_row(ground: Ground) -> None:
    ground.element.answers = a_file()
    for change in (
        ground.update(ground.file.file_id, FileChange(description="x"), 0, by=SOMEBODY),
        ground.delete(ground.file.file_id, 0, by=SOMEBODY),
    ):
        with pytest.raises(InternalError):
            await change
    assert ground.registered == ground.file
