"""A reader has met a row whose element does not know the file."""

from __future__ import annotations

from services.admin.domain.registry import Entry, Located, ended_as
from services.admin.ports import ElementPeer, ElementStore, FileRegistry
from services.chassis.logs import get_logger
from services.model.errors import (
    ArtStoreError,
    DeadlineExceeded,
    FileDeleted,
    FileExpired,
    NotFound,
    StorageUnavailable,
)
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId

log = get_logger(__name__)


class MarkMissing:
    """Asks the element again and believes only what it says now."""

    def __init__(self, *, registry: FileRegistry, elements: ElementStore, peer: ElementPeer) -> None:
        self._registry = registry
        self._elements = elements
        self._peer = peer

    async def __call__(self, file_id: FileId) -> FileAttributes:
        """Return the row as it is now.

        Raises `NotFound` when there is no row, and `StorageUnavailable` when the element cannot tell: then nothing
        was changed.
        """
        located = await self._registry.find(file_id)
        if located is None:
            raise NotFound("there is no such file")
        file = await self._ask(located)
        if file is None:
            return await self._mark(located)
        return (await self._registry.record([Entry(located.element.element_id, file)]))[0]

    async def _ask(self, located: Located) -> FileAttributes | None:
        """The attributes on the disk, or None when the element does not know the file."""
        try:
            file = await self._peer.file(located.element, located.file.file_id)
            Entry(located.element.element_id, file).check()
        except (FileDeleted, FileExpired) as end:
            return ended_as(located.file, FileStatus.DELETED if isinstance(end, FileDeleted) else FileStatus.EXPIRED)
        except NotFound:
            await self._require_same_directory(located)
            return None
        except (StorageUnavailable, DeadlineExceeded):
            raise _cannot_tell("cannot be asked now; try again") from None
        except ArtStoreError as error:
            raise _cannot_tell(f"cannot tell: {error.message}") from error
        if file.file_id != located.file.file_id:
            raise _cannot_tell("answers for another file")
        return file

    async def _require_same_directory(self, located: Located) -> None:
        """An element that came back with an empty directory knows no file, and that proves nothing."""
        record = await self._elements.get(located.element.element_id)
        try:
            info = await self._peer.info(located.element)
        except ArtStoreError:
            raise _cannot_tell("cannot be asked now; try again") from None
        if record is None or info.element_uuid != record.info.element_uuid:
            raise _cannot_tell("was replaced by another one")

    async def _mark(self, located: Located) -> FileAttributes:
        if located.file.status is FileStatus.MISSING:
            return located.file
        storage_id = located.element.storage_id
        log.warning("file is missing on its element", file_id=located.file.file_id, storage_id=storage_id)
        return await self._registry.mark_missing(located)


def _cannot_tell(why: str) -> StorageUnavailable:
    return StorageUnavailable(f"the storage element {why}", retry_after=2)
