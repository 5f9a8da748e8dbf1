"""A small file in one call: the same rules as an upload in frames, less work of the disk."""

from __future__ import annotations

from collections.abc import Callable

from services.model.clock import Clock
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject
from services.storage.domain import changes, uploads
from services.storage.domain.modes import Operation, require_policy
from services.storage.ports import Bytes, Files
from services.storage.usecases.admission import admitted
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate


class StoreSmallFile:
    """Store one small file whole, or nothing of it."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing, max_file_size: int) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing
        self._max_file_size = max_file_size

    async def __call__(self, new: NewFile, content: Bytes, commit: UploadCommit, *, by: Subject) -> FileAttributes:
        """The attributes of the stored file, or of the one that has the same id and content already.

        Raises as `StoreFile`; `ValidationFailed` for content above `uploads.MAX_CHUNK_BYTES`.
        """
        file_id = admitted(new, gate=self._gate, by=by, at=self._clock.now())
        limit = uploads.SizeLimit(declared=new.declared_size, most=self._max_file_size)
        limit.add(len(content))
        commit.check()
        uploads.check_commit(declared=new.declared_size, said=commit.size, received=limit.received)

        def decide(sha256: str) -> FileAttributes:
            uploads.check_digest(said=commit.sha256, found=sha256)
            now = self._clock.now()
            return changes.created(new, file_id=file_id, size=len(content), sha256=sha256, by=by, at=now)

        return await self._finishing.run(self._store(file_id, content, decide, new.retention_policy))

    async def _store(
        self, file_id: FileId, content: Bytes, decide: Callable[[str], FileAttributes], policy: RetentionPolicy
    ) -> FileAttributes:
        async with self._gate.held(Operation.UPLOAD):
            require_policy(self._gate.mode, policy)
            return await self._files.store(file_id, content, decide)
