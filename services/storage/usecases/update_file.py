"""Change what users may change of a file: description, tags, metadata."""

from __future__ import annotations

from services.model.clock import Clock
from services.model.files import FileAttributes, FileChange
from services.model.ids import FileId
from services.storage.domain import changes
from services.storage.domain.documents import Document
from services.storage.domain.modes import Operation
from services.storage.ports import Files
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate


class UpdateFile:
    """Change a file's attributes; its content never changes."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing

    async def __call__(self, file_id: FileId, change: FileChange, *, expected_revision: int | None) -> FileAttributes:
        """The attributes after the change. `expected_revision` None: whatever revision it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `MetadataTooLarge`, `FileDeleted`, `FileExpired`.
        """
        change.check()
        self._gate.require(Operation.UPDATE)

        def decide(document: Document) -> FileAttributes:
            return changes.updated(document, change, expected_revision=expected_revision, at=self._clock.now())

        return await self._finishing.run(self._commit(file_id, decide))

    async def _commit(self, file_id: FileId, decide: changes.Decision) -> FileAttributes:
        async with self._gate.held(Operation.UPDATE):
            return await self._files.change(file_id, decide)
