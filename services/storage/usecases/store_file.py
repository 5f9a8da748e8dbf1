"""Upload: header, chunks, commit. The end of the stream is never taken for success."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from services.model.clock import Clock
from services.model.errors import ValidationFailed
from services.model.files import FileAttributes, NewFile, UploadCommit
from services.model.ids import FileId, Subject
from services.storage.domain import changes, uploads
from services.storage.domain.modes import Operation, require_policy
from services.storage.ports import Bytes, Files, Incoming
from services.storage.usecases.admission import admitted
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate

Frame = NewFile | Bytes | UploadCommit
Accepted = Callable[[], Awaitable[None]]
"""Called once the header has been accepted and room is kept: the sender may send the content now."""


class StoreFile:
    """Store one file whole, or nothing of it."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing, max_file_size: int) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing
        self._max_file_size = max_file_size

    async def __call__(self, frames: AsyncIterator[Frame], *, by: Subject, accepted: Accepted) -> FileAttributes:
        """The attributes of the stored file, or of the one that has the same id and content already.

        Raises `ValidationFailed`, `ModeNotAllowed`, `MetadataTooLarge`, `FileTooLarge`, `StorageFull` before the
        content where they can be known, `ChecksumMismatch`, `Conflict`, `StorageUnavailable`. After a cancellation
        nothing stays, unless the commit had begun.
        """
        new, file_id = await self._header(frames, by)
        limit = uploads.SizeLimit(declared=new.declared_size, most=self._max_file_size)
        async with self._files.receive(file_id, new.declared_size) as incoming:
            await accepted()
            commit = await content(frames, incoming, limit)
            commit.check()
            uploads.check_commit(declared=new.declared_size, said=commit.size, received=limit.received)
            sha256 = await incoming.finish()
            uploads.check_digest(said=commit.sha256, found=sha256)
            attributes = changes.created(
                new, file_id=file_id, size=limit.received, sha256=sha256, by=by, at=self._clock.now()
            )
            return await self._finishing.run(self._commit(incoming, attributes))

    async def _header(self, frames: AsyncIterator[Frame], by: Subject) -> tuple[NewFile, FileId]:
        new = await anext(frames, None)
        if not isinstance(new, NewFile):
            raise ValidationFailed("an upload begins with its header")
        return new, admitted(new, gate=self._gate, by=by, at=self._clock.now())

    async def _commit(self, incoming: Incoming, attributes: FileAttributes) -> FileAttributes:
        async with self._gate.held(Operation.UPLOAD):
            require_policy(self._gate.mode, attributes.retention_policy)
            return await incoming.commit(attributes)


async def content(frames: AsyncIterator[object], incoming: Incoming, limit: uploads.SizeLimit) -> UploadCommit:
    """Take all chunks behind a header; what the sender says at the end."""
    async for frame in frames:
        if isinstance(frame, UploadCommit):
            return frame
        if not isinstance(frame, bytes | memoryview):
            raise ValidationFailed("an upload has one header")
        limit.add(len(frame))
        await incoming.write(frame)
    raise ValidationFailed("the upload ended without its commit; nothing was kept")
