"""Change what users may change."""

from __future__ import annotations

from services.chassis.caller import Identity
from services.ingester.domain import require_the_same
from services.ingester.ports import Directory, Elements
from services.ingester.usecases.finishing import to_the_end
from services.model.elements import ElementAddress
from services.model.files import FileAttributes, FileChange
from services.model.ids import FileId


class UpdateFile:
    """Change description, tags or metadata on the element that holds the document, and in the registry."""

    def __init__(self, *, directory: Directory, elements: Elements) -> None:
        self._directory = directory
        self._elements = elements

    async def __call__(
        self, file_id: FileId, change: FileChange, expected_revision: int, *, by: Identity
    ) -> FileAttributes:
        """Return the attributes after the change. `expected_revision` 0: whatever it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `MetadataTooLarge`, `StorageUnavailable`.
        """
        change.check()
        element, _ = await self._directory.locate_file(file_id, on_behalf_of=by)
        return await to_the_end(self._update(element, file_id, change, expected_revision, by))

    async def _update(
        self, element: ElementAddress, file_id: FileId, change: FileChange, expected_revision: int, by: Identity
    ) -> FileAttributes:
        file = await self._elements.client(element).update(file_id, change, expected_revision, on_behalf_of=by)
        return await self._directory.register_file(element.element_id, require_the_same(file, file_id))
