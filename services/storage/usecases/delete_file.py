"""Delete a file: soft first, its bytes go at a later garbage collection."""

from __future__ import annotations

from services.model.clock import Clock
from services.model.files import FileAttributes
from services.model.ids import FileId, Subject
from services.storage.domain import changes
from services.storage.domain.documents import Document
from services.storage.domain.modes import Operation
from services.storage.ports import Files
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate


class DeleteFile:
    """Mark a file deleted; from then on it is not served. Repeatable."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing

    async def __call__(self, file_id: FileId, *, expected_revision: int | None, by: Subject) -> FileAttributes:
        """The attributes after the change. `expected_revision` None: whatever revision it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`.
        """
        self._gate.require(Operation.DELETE)

        def decide(document: Document) -> FileAttributes:
            return changes.deleted(document, expected_revision=expected_revision, by=by, at=self._clock.now())

        return await self._finishing.run(self._commit(file_id, decide))

    async def _commit(self, file_id: FileId, decide: changes.Decision) -> FileAttributes:
        async with self._gate.held(Operation.DELETE):
            return await self._files.change(file_id, decide)
