"""What an element tells of its files."""

from __future__ import annotations

from services.model.feed import DocumentListing, FileListing
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.storage.domain.modes import Operation
from services.storage.ports import Feed, Files
from services.storage.usecases.mode_gate import ModeGate


class GetFile:
    """One file's attributes."""

    def __init__(self, *, gate: ModeGate, files: Files) -> None:
        self._gate, self._files = gate, files

    async def __call__(self, file_id: FileId) -> FileAttributes:
        """As they lie on the disk now. Raises `NotFound`, `FileDamaged`, `StorageUnavailable`."""
        self._gate.require(Operation.READ)
        return (await self._files.find(file_id)).attributes


class ListFiles:
    """Files by status, oldest first."""

    def __init__(self, *, gate: ModeGate, files: Files, feed: Feed) -> None:
        self._gate, self._files, self._feed = gate, files, feed

    async def __call__(self, status: FileStatus | None, page: PageRequest) -> FileListing:
        """A page of files of `status` (None: of any); the first one with the feed's position from before it was read.

        Raises `ValidationFailed`, `StorageUnavailable`.
        """
        self._gate.require(Operation.READ)
        page.check()
        position = None if page.cursor else self._feed.position
        found = await self._files.page(status, page)
        return FileListing(found.items, found.total, found.has_more, found.next_cursor, position)


class ListDocuments:
    """Files of any status as they lie on the disk, oldest first: for those who read many, and know the format."""

    def __init__(self, *, gate: ModeGate, files: Files, feed: Feed) -> None:
        self._gate, self._files, self._feed = gate, files, feed

    async def __call__(self, page: PageRequest) -> DocumentListing | None:
        """A page of them, as `ListFiles` makes it; None if that has to be asked instead.

        Raises `ValidationFailed`, `StorageUnavailable`.
        """
        self._gate.require(Operation.READ)
        page.check()
        position = None if page.cursor else self._feed.position
        found = await self._files.texts(page)
        if found is None:
            return None
        return DocumentListing(found.items, found.total, found.has_more, found.next_cursor, position)
