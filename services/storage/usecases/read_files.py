"""What an element tells of its files."""

from __future__ import annotations

from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.paging import Page, PageRequest
from services.storage.domain.modes import Operation
from services.storage.ports import Files
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

    def __init__(self, *, gate: ModeGate, files: Files) -> None:
        self._gate, self._files = gate, files

    async def __call__(self, status: FileStatus | None, page: PageRequest) -> Page[FileAttributes]:
        """A page of files of `status` (None: of any). Raises `ValidationFailed`, `StorageUnavailable`."""
        self._gate.require(Operation.READ)
        page.check()
        return await self._files.page(status, page)
