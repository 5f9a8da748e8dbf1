"""Mark a document deleted."""

from __future__ import annotations

from services.chassis.caller import Identity
from services.ingester.domain import require_the_same
from services.ingester.ports import Directory, Elements
from services.ingester.usecases.finishing import to_the_end
from services.model.elements import ElementAddress
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId


class DeleteFile:
    """Mark a document deleted on the element that holds it, and in the registry."""

    def __init__(self, *, directory: Directory, elements: Elements) -> None:
        self._directory = directory
        self._elements = elements

    async def __call__(self, file_id: FileId, expected_revision: int, *, by: Identity) -> FileAttributes:
        """Return the attributes after the change; the second time they are as after the first.

        `expected_revision` 0: whatever it has. Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`,
        `StorageUnavailable`.
        """
        element, file = await self._directory.locate_file(file_id, on_behalf_of=by)
        if file.status is FileStatus.DELETED:
            return file  # deletes stay deleted; the element may have forgotten it since
        return await to_the_end(self._delete(element, file_id, expected_revision, by))

    async def _delete(
        self, element: ElementAddress, file_id: FileId, expected_revision: int, by: Identity
    ) -> FileAttributes:
        file = await self._elements.client(element).delete(file_id, expected_revision, on_behalf_of=by)
        return await self._directory.register_file(element.element_id, require_the_same(file, file_id))
