"""Resumable uploads: begin, go on, look, complete, give up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from services.model.clock import Clock
from services.model.errors import Conflict, NotFound, RateLimited, StorageFull, StorageUnavailable
from services.model.files import FileAttributes, NewFile, UploadCommit
from services.model.ids import Subject, UploadId
from services.model.uploads import UploadState
from services.storage.domain import changes, resumable, uploads
from services.storage.domain.modes import Operation, require_policy
from services.storage.domain.resumable import OpenUpload
from services.storage.ports import Appending, Bytes, Files, Uploads
from services.storage.usecases.admission import admitted
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.turns import Turns

End = int
"""How many bytes were sent, said after them."""
Accepted = Callable[[], Awaitable[None]]
"""Called once the bytes may come."""


class OpenUploads:
    """The uploads as one may see them at a moment: those that have expired are not there any more."""

    def __init__(self, *, uploads: Uploads, clock: Clock, expiry: timedelta, most: int) -> None:
        """`expiry`: how long one is kept that nobody goes on with; `most`: how many may be open."""
        self.store, self._clock, self._expiry, self._most = uploads, clock, expiry, most
        self.turns = Turns(uploads)

    def find(self, upload_id: UploadId, by: Subject) -> OpenUpload:
        """One upload, for who began it. Raises `NotFound`, `Forbidden`."""
        upload = self.store.get(upload_id)
        if upload.expires_at <= self._clock.now():
            raise NotFound("the upload has expired")
        resumable.require_owner(upload, by)
        return upload

    def expires_at(self) -> datetime:
        """When an upload ends that somebody goes on with now."""
        return self._clock.now() + self._expiry

    def require_place(self) -> None:
        """Raise `RateLimited` if too many are open."""
        if sum(not each.completed for each in self.store.known()) >= self._most:
            raise RateLimited(f"{self._most} uploads are open here, no more are taken", retry_after=60)


class CreateUpload:
    """Begin an upload; an id that is known already is the upload as it stands."""

    def __init__(
        self, *, gate: ModeGate, open_uploads: OpenUploads, clock: Clock, finishing: Finishing, max_file_size: int
    ) -> None:
        self._gate, self._open, self._clock, self._finishing = gate, open_uploads, clock, finishing
        self._max_file_size = max_file_size

    async def __call__(self, new: NewFile, *, by: Subject) -> UploadState:
        """The upload, durable.

        Raises `ValidationFailed`, `ModeNotAllowed`, `MetadataTooLarge`, `FileTooLarge`, `Conflict`, `RateLimited`,
        `StorageFull`, `StorageUnavailable`.
        """
        upload_id = UploadId(admitted(new, gate=self._gate, by=by, at=self._clock.now()))
        uploads.SizeLimit(declared=new.declared_size, most=self._max_file_size)
        return await self._finishing.run(self._open.turns.alone(upload_id, partial(self._create, new, upload_id, by)))

    async def _create(self, new: NewFile, upload_id: UploadId, by: Subject) -> UploadState:
        upload = OpenUpload(new, by, self._open.expires_at())
        try:
            known = self._open.find(upload_id, by)
        except NotFound:
            self._open.require_place()
            await self._open.store.create(upload)
            return upload.state()
        resumable.require_same(known, new)
        return known.state()


class AppendUpload:
    """Add bytes to an upload. What has come is kept, however the call ends."""

    def __init__(self, *, gate: ModeGate, open_uploads: OpenUploads, finishing: Finishing, max_file_size: int) -> None:
        self._gate, self._open, self._finishing = gate, open_uploads, finishing
        self._max_file_size = max_file_size

    async def __call__(
        self, upload_id: UploadId, offset: int, frames: AsyncIterator[Bytes | End], *, by: Subject, accepted: Accepted
    ) -> UploadState:
        """The upload with the new bytes, durable.

        Raises `NotFound`, `Forbidden`, `ModeNotAllowed`, `Conflict` (another offset; a newer call), `FileTooLarge`,
        `ChecksumMismatch` (more than was declared; less than was sent), `StorageFull`, `StorageUnavailable`.
        """
        return await self._open.turns.append(upload_id, partial(self._append, upload_id, offset, frames, by, accepted))

    async def _append(
        self, upload_id: UploadId, offset: int, frames: AsyncIterator[Bytes | End], by: Subject, accepted: Accepted
    ) -> UploadState:
        upload = self._open.find(upload_id, by)
        self._gate.require(Operation.UPLOAD)
        resumable.require_offset(upload, offset)
        limit = uploads.SizeLimit(declared=upload.new.declared_size, most=self._max_file_size)
        limit.received = offset
        async with self._open.store.append(upload, expires_at=self._open.expires_at) as part:
            await accepted()
            try:
                said = await _take(frames, part, limit)
            except (StorageFull, StorageUnavailable):
                raise  # what was acknowledged counts
            except BaseException:
                # Cut off once more while this runs, by whoever goes on with the upload: the part stays open until then.
                await self._finishing.to_its_end(part.acknowledge())
                raise
            upload = await part.acknowledge()
        if said is not None:
            resumable.check_end(said=said, received=upload.offset - offset)
        return upload.state()


async def _take(frames: AsyncIterator[Bytes | End], part: Appending, limit: uploads.SizeLimit) -> int | None:
    """Take all bytes; how many its sender says they were, None if it was cut off."""
    async for frame in frames:
        if isinstance(frame, int):
            return frame
        limit.add(len(frame))
        await part.write(frame)
    return None


class GetUpload:
    """An upload as it stands."""

    def __init__(self, *, open_uploads: OpenUploads) -> None:
        self._open = open_uploads

    async def __call__(self, upload_id: UploadId, *, by: Subject) -> UploadState:
        """Raises `NotFound`, `Forbidden`, `StorageUnavailable`."""
        return self._open.find(upload_id, by).state()


class CompleteUpload:
    """Make the file of an upload. Repeatable until the upload expires."""

    def __init__(
        self, *, gate: ModeGate, open_uploads: OpenUploads, files: Files, clock: Clock, finishing: Finishing
    ) -> None:
        self._gate, self._open, self._files, self._clock, self._finishing = gate, open_uploads, files, clock, finishing

    async def __call__(self, upload_id: UploadId, commit: UploadCommit, *, by: Subject) -> FileAttributes:
        """The attributes of the file, durable. Once begun it runs to its end.

        Raises `NotFound`, `Forbidden`, `ModeNotAllowed`, `ChecksumMismatch`, `Conflict`, `StorageFull`,
        `StorageUnavailable`: then the upload stays as it is.
        """
        commit.check()
        work = partial(self._complete, upload_id, commit, by)
        return await self._finishing.run(self._open.turns.alone(upload_id, work))

    async def _complete(self, upload_id: UploadId, commit: UploadCommit, by: Subject) -> FileAttributes:
        upload = self._open.find(upload_id, by)
        if upload.completed:
            return _again((await self._files.find(upload.file_id)).attributes, commit)
        new = upload.new
        self._gate.require(Operation.UPLOAD)
        require_policy(self._gate.mode, new.retention_policy)
        uploads.check_commit(declared=new.declared_size, said=commit.size, received=upload.offset)
        sha256 = await self._open.store.digest(upload)
        uploads.check_digest(said=commit.sha256, found=sha256)
        async with self._gate.held(Operation.UPLOAD):
            require_policy(self._gate.mode, new.retention_policy)
            now = self._clock.now()
            attributes = changes.created(new, file_id=upload.file_id, size=upload.offset, sha256=sha256, by=by, at=now)
            return await self._open.store.complete(upload, attributes, expires_at=self._open.expires_at())


def _again(file: FileAttributes, commit: UploadCommit) -> FileAttributes:
    if commit.size != file.size or commit.sha256 not in (None, file.sha256):
        raise Conflict("the upload was completed with other content")
    return file


class AbortUpload:
    """Give an upload up. A file that was made of it stays."""

    def __init__(self, *, open_uploads: OpenUploads, finishing: Finishing) -> None:
        self._open, self._finishing = open_uploads, finishing

    async def __call__(self, upload_id: UploadId, *, by: Subject) -> None:
        """It is forgotten durably. Raises `NotFound`, `Forbidden`, `StorageUnavailable`."""
        await self._finishing.run(self._open.turns.alone(upload_id, partial(self._remove, upload_id, by)))

    async def _remove(self, upload_id: UploadId, by: Subject) -> None:
        await self._open.store.remove(self._open.find(upload_id, by))


class ExpireUploads:
    """One pass forgets the uploads that nobody has gone on with for too long."""

    def __init__(self, *, open_uploads: OpenUploads, clock: Clock, finishing: Finishing) -> None:
        self._open, self._clock, self._finishing = open_uploads, clock, finishing

    async def __call__(self) -> int:
        """How many went. Raises `StorageUnavailable`."""
        gone = 0
        for upload in self._open.store.known():
            if upload.expires_at <= self._clock.now() and not self._open.turns.appending(upload.upload_id):
                work = self._open.turns.alone(upload.upload_id, partial(self._remove, upload.upload_id))
                gone += await self._finishing.run(work)
        return gone

    async def _remove(self, upload_id: UploadId) -> bool:
        try:
            upload = self._open.store.get(upload_id)
        except NotFound:
            return False
        if upload.expires_at > self._clock.now():
            return False  # somebody has gone on with it meanwhile
        await self._open.store.remove(upload)
        return True
