"""Small files in one call: the same rules as an upload in frames, less work of the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from services.model.clock import Clock
from services.model.errors import ArtStoreError, ModeNotAllowed
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import Subject
from services.storage.domain import changes, uploads
from services.storage.domain.modes import Operation, require_policy
from services.storage.ports import Bytes, Files, Whole
from services.storage.usecases.admission import admitted
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate

Outcome = FileAttributes | BaseException
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Offered:
    """A small file as it came."""

    new: NewFile
    content: Bytes
    commit: UploadCommit


@dataclass(frozen=True, slots=True)
class _Accepted:
    """One that may come in, unless the mode changes before it does."""

    file: Whole
    policy: RetentionPolicy


class StoreSmallFile:
    """Store one small file whole, or nothing of it."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, finishing: Finishing, max_file_size: int) -> None:
        self._gate, self._files, self._clock, self._finishing = gate, files, clock, finishing
        self._max_file_size = max_file_size

    async def __call__(self, offered: Offered, *, by: Subject) -> FileAttributes:
        """The attributes of the stored file, or of the one that has the same id and content already.

        Raises as `StoreFile`; `ValidationFailed` for content above `uploads.MAX_CHUNK_BYTES`.
        """
        file = self.accepted(offered, by)
        return await self._finishing.run(self._store(file, offered.new.retention_policy))

    def accepted(self, offered: Offered, by: Subject) -> Whole:
        """What is to be stored, if nothing that can be known before speaks against it. Raises as `__call__`."""
        new, size, commit = offered.new, len(offered.content), offered.commit
        file_id = admitted(new, gate=self._gate, by=by, at=self._clock.now())
        limit = uploads.SizeLimit(declared=new.declared_size, most=self._max_file_size)
        limit.add(size)
        commit.check()
        uploads.check_commit(declared=new.declared_size, said=commit.size, received=limit.received)

        def decide(sha256: str) -> FileAttributes:
            uploads.check_digest(said=commit.sha256, found=sha256)
            return changes.created(new, file_id=file_id, size=size, sha256=sha256, by=by, at=self._clock.now())

        return Whole(file_id, offered.content, decide)

    async def _store(self, file: Whole, policy: RetentionPolicy) -> FileAttributes:
        async with self._gate.held(Operation.UPLOAD):
            require_policy(self._gate.mode, policy)
            return await self._files.store(file)


class StoreSmallFiles:
    """Store several small files, each whole or nothing of it."""

    def __init__(self, one: StoreSmallFile, *, gate: ModeGate, files: Files, finishing: Finishing) -> None:
        self._one, self._gate, self._files, self._finishing = one, gate, files, finishing

    async def __call__(self, offered: Sequence[Offered | ArtStoreError], *, by: Subject) -> list[Outcome]:
        """Of each what `StoreSmallFile` returns or raises, in their order; an error among them stays one."""
        accepted = [_tried(partial(self._accepted, each, by)) for each in offered]
        return await self._finishing.run(self._store(accepted))

    def _accepted(self, offered: Offered | ArtStoreError, by: Subject) -> _Accepted:
        if isinstance(offered, ArtStoreError):
            raise offered
        return _Accepted(self._one.accepted(offered, by), offered.new.retention_policy)

    async def _store(self, accepted: Sequence[_Accepted | BaseException]) -> list[Outcome]:
        try:
            async with self._gate.held(Operation.UPLOAD):
                checked = [_tried(partial(self._still, each)) for each in accepted]
                stored = iter(await self._files.store_all([each for each in checked if isinstance(each, Whole)]))
        except ModeNotAllowed as refusal:
            return [refusal if isinstance(each, _Accepted) else each for each in accepted]
        return [next(stored) if isinstance(each, Whole) else each for each in checked]

    def _still(self, accepted: _Accepted | BaseException) -> Whole:
        if isinstance(accepted, BaseException):
            raise accepted
        require_policy(self._gate.mode, accepted.policy)
        return accepted.file


def _tried(job: Callable[[], Result]) -> Result | BaseException:
    try:
        return job()
    except Exception as error:  # noqa: BLE001 - of one file; told to whoever sent it
        return error
