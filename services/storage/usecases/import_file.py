"""Import: a file that another element had, with exactly the attributes that it has there."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.model.clock import Clock
from services.model.errors import ValidationFailed
from services.model.files import FileAttributes, JsonObject, UploadCommit
from services.storage.domain import uploads
from services.storage.domain.importing import Imported, imported
from services.storage.domain.modes import Operation, require_policy
from services.storage.ports import Bytes, Files, Incoming
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.store_file import Accepted, content

Frame = Imported | Bytes | UploadCommit


class ImportFile:
    """Take one file over whole, or nothing of it."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing, max_file_size: int) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing
        self._max_file_size = max_file_size

    async def __call__(self, frames: AsyncIterator[Frame], *, accepted: Accepted) -> FileAttributes:
        """The attributes of the file here, or of the one that has the same id and content already.

        Only the epoch, and where the file lies, are this element's own. Raises as `StoreFile`; `FileExpired`,
        `FileDeleted` if its time is over, or this element has destroyed it: it never comes back.
        """
        given = await anext(frames, None)
        if not isinstance(given, Imported):
            raise ValidationFailed("an import begins with its header")
        file = self._admitted(given)
        limit = uploads.SizeLimit(declared=file.size, most=self._max_file_size)
        async with self._files.receive(file.file_id, file.size) as incoming:
            await accepted()
            commit = await content(frames, incoming, limit)
            commit.check()
            uploads.check_commit(declared=file.size, said=commit.size, received=limit.received)
            sha256 = await incoming.finish()
            for said in (file.sha256, commit.sha256):
                uploads.check_digest(said=said, found=sha256)
            return await self._finishing.run(self._commit(incoming, file, given.unknown))

    def _admitted(self, given: Imported) -> FileAttributes:
        self._gate.require(Operation.UPLOAD)
        require_policy(self._gate.mode, given.file.retention_policy)
        return imported(given, at=self._clock.now())

    async def _commit(self, incoming: Incoming, file: FileAttributes, unknown: JsonObject) -> FileAttributes:
        async with self._gate.held(Operation.UPLOAD):
            require_policy(self._gate.mode, file.retention_policy)
            return await incoming.commit(file, unknown)
