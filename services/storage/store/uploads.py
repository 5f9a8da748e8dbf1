"""Resumable uploads on the disk: `uploads/<id>.json` says how much of `uploads/<id>.part` was acknowledged.

An offset is acknowledged once the part is fdatasynced and a new `<id>.json` is durable. Every `<id>.json` comes by a
rename out of `incoming/<epoch>/`, so that a leader that was fenced off acknowledges nothing any more. Its writes could
still reach a part that it has open; therefore a later leadership never adds to a part of an earlier one: it makes one
of its own, a copy of the acknowledged bytes, first.

**Completion.** The part is *linked* into `incoming/<epoch>/` (a leader that was fenced off finds no such folder), and
from there it is a new file like any other: `begin`, renames, `commit`. Until `<id>.json` says that it is completed the
part stays under its first name as well, so that a crash in between loses no acknowledged byte: whoever completes it
again either makes the file, or finds it. Nobody adds to bytes that are a file already: within this leadership the
upload is completed, and a later one copies.

**At a start** each part is cut to what was acknowledged, and a part without `<id>.json` is removed. What cannot be
trusted or understood stays where it is, and is logged.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from datetime import datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.errors import FileDamaged, NotFound, StorageFull, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes
from services.model.ids import UploadId, parse_file_id
from services.storage.domain.documents import Document
from services.storage.domain.resumable import OpenUpload, decode, encode
from services.storage.domain.seal import CorruptDocument
from services.storage.ports import Bytes
from services.storage.store.commits import Commits
from services.storage.store.disk import Disk
from services.storage.store.durable import open_folder, read_file, sync_folder, write_all, write_file
from services.storage.store.fs import APPEND, CREATE, READ, WRITE, Kind
from services.storage.store.space import Space

STEP = 1 << 20
LARGEST_RECORD = 64 << 10

log = get_logger(__name__)


class UploadFiles:
    """The open uploads of one leadership. In threads only; of one upload one thing at a time."""

    def __init__(self, disk: Disk, *, commits: Commits, space: Space, epoch: int) -> None:
        self._fs, self._layout, self._health = disk.fs, disk.layout, disk.health
        self._commits, self._space, self._epoch = commits, space, epoch
        self._numbers = itertools.count(1)
        self._known: dict[UploadId, OpenUpload] = {}
        self._loaded = False

    def load(self) -> None:
        """Read what is there, and cut each part to what was acknowledged. Raises `OSError`."""
        names = [each.name for each in self._fs.entries(self._layout.uploads) if each.kind is Kind.FILE]
        for name in names:
            if name.endswith(".json"):
                self._load(self._layout.uploads / name)
        for name in names:
            if name.endswith(".part") and not self._fs.exists(self._layout.uploads / (name[:-5] + ".json")):
                self._fs.unlink(self._layout.uploads / name)
        sync_folder(self._fs, self._layout.uploads)
        self._loaded = True

    def leave(self) -> None:
        """Keep no room any more: whoever leads next does."""
        left = sum(each.outstanding for each in self._known.values())
        self._known, self._loaded = {}, False
        self._space.settle(left, left)

    def known(self) -> list[OpenUpload]:
        """All uploads, completed ones too. Raises `StorageUnavailable` where they are not known."""
        self._require_loaded()
        return list(self._known.values())

    def get(self, upload_id: UploadId) -> OpenUpload:
        """One upload. Raises `NotFound`, `StorageUnavailable` where it is not known which there are."""
        self._require_loaded()
        try:
            return self._known[upload_id]
        except KeyError:
            raise NotFound("there is no such upload") from None

    def create(self, upload: OpenUpload) -> None:
        """Begin an upload durably, room for what it declares kept. Raises `StorageFull`, `StorageUnavailable`."""
        with self._health.preparing():
            before = self._known.pop(upload.upload_id, None)  # it has expired: nobody else begins one that is known
            if before is not None:
                self._space.settle(before.outstanding, before.outstanding)
            promised = 0
            try:
                self._space.promise(upload.outstanding)
                promised = upload.outstanding
                self._keep(upload)
            except BaseException:
                self._space.settle(promised, promised)
                if before is not None:
                    self._known[before.upload_id] = before
                    self._space.keep(before.outstanding)
                raise

    def open_part(self, upload: OpenUpload) -> int:
        """A descriptor behind the acknowledged bytes of a part that nobody else writes. Raises as `create`."""
        path = self._part(upload)
        with self._health.preparing():
            if upload.epoch != self._epoch and upload.offset:
                self._copy(upload)
            elif not upload.offset:
                with contextlib.suppress(FileNotFoundError):
                    self._fs.unlink(path)
                self._fs.close(self._fs.open(path, CREATE))
                sync_folder(self._fs, self._layout.uploads)
            else:
                self._cut(path, upload.offset)
            return self._fs.open(path, APPEND)

    def write(self, descriptor: int, data: Bytes, *, promised: bool) -> None:
        """Add bytes. `promised`: room for them is kept, until they are acknowledged. Raises as `create`."""
        with self._health.preparing():
            if promised:
                write_all(self._fs, descriptor, data)
                return
            self._space.promise(len(data))
            try:
                write_all(self._fs, descriptor, data)
            finally:
                self._space.settle(len(data), len(data))

    def acknowledge(self, descriptor: int, upload: OpenUpload) -> OpenUpload:
        """Make what was written durable, and say so in `<id>.json`; the upload as it stands. Raises as `create`."""
        upload = upload.grown(upload.offset, epoch=self._epoch, expires_at=upload.expires_at)
        with self._health.preparing():
            self._fs.fdatasync(descriptor)
            self._keep(upload)
        return upload

    def close(self, descriptor: int) -> None:
        """Nothing more is added."""
        with contextlib.suppress(OSError):
            self._fs.close(descriptor)

    def digest(self, upload: OpenUpload) -> str:
        """SHA-256 of the acknowledged bytes. Raises `FileDamaged` if they are not there, `StorageUnavailable`."""
        digest, left = hashlib.sha256(), upload.offset
        if not left:
            return digest.hexdigest()
        with self._health.preparing():
            try:
                descriptor = self._fs.open(self._part(upload), READ)
            except FileNotFoundError:
                raise FileDamaged("the bytes of the upload are missing from the storage element") from None
            try:
                while left and (data := self._fs.read(descriptor, min(left, STEP), upload.offset - left)):
                    digest.update(data)
                    left -= len(data)
            finally:
                self._fs.close(descriptor)
        if left:
            raise FileDamaged("bytes of the upload are missing from the storage element")
        return digest.hexdigest()

    def publish(self, upload: OpenUpload, attributes: FileAttributes, *, expires_at: datetime) -> Document:
        """Make the file, or find that it is there already. The file's lock is held. Raises as `Commits.create`."""
        linked, path = self._commits.temporary(upload.file_id, "part"), self._part(upload)
        with self._health.preparing():
            if upload.offset:
                self._cut(path, upload.offset)
                self._fs.link(path, linked)
            else:
                write_file(self._fs, linked, b"")
        moved: list[bool] = []
        try:
            document = self._commits.create(linked, attributes, moved=lambda: moved.append(True))
        finally:
            if not moved:
                with contextlib.suppress(OSError):  # it goes at the next start
                    self._fs.unlink(linked)
        self._completed(upload.done(expires_at=expires_at))
        return document

    def remove(self, upload: OpenUpload) -> None:
        """Forget an upload, its bytes too; of a completed one the file stays. Raises as `create`."""
        with self._health.preparing():
            with contextlib.suppress(FileNotFoundError):
                self._fs.unlink(self._record(upload))
            self._drop(self._part(upload))
        self._known.pop(upload.upload_id, None)
        self._space.settle(upload.outstanding, upload.outstanding)

    def _completed(self, done: OpenUpload) -> None:
        """Say of an upload that it is a file now, which is told as kept or unknown, never as refused."""
        try:
            with self._health.preparing():
                self._keep(done)
                self._drop(self._part(done))
        except StorageFull:
            # A disk that is too full to say so changes nothing of the file. Nobody may add to its bytes, though, which
            # still have the name of the part.
            self._note(done)
        except StorageUnavailable as error:
            self._note(done)
            raise StorageUnavailable.unconfirmed(error.message, retry_after=error.retry_after) from error

    def _require_loaded(self) -> None:
        if not self._loaded:
            self._health.require()
            raise StorageUnavailable("the uploads of the storage element are not known")

    def _keep(self, upload: OpenUpload) -> None:
        temporary = self._layout.temporaries(self._epoch) / f"{upload.upload_id}.{next(self._numbers)}.upload.json"
        # Once the record is in place it may be kept or not: a part that is shortened to the offset before could be too
        # short for it.
        with open_folder(self._fs, self._layout.uploads) as sync:
            write_file(self._fs, temporary, encode(upload))
            try:
                self._fs.rename(temporary, self._record(upload))
            except OSError:
                with contextlib.suppress(OSError):
                    self._fs.unlink(temporary)
                raise
            sync()
        self._note(upload)

    def _note(self, upload: OpenUpload) -> None:
        """Take note of how an upload stands, and give back the room that it does not need any more."""
        before = self._known.get(upload.upload_id, upload)
        come = before.outstanding - upload.outstanding
        self._space.settle(come, come)
        self._known[upload.upload_id] = upload

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.unlink(path)
        sync_folder(self._fs, self._layout.uploads)

    def _cut(self, path: Path, size: int) -> None:
        """Take away what was not acknowledged. Raises `FileDamaged` if less is there than was."""
        try:
            descriptor = self._fs.open(path, WRITE)
        except FileNotFoundError:
            raise FileDamaged("the bytes of the upload are missing from the storage element") from None
        try:
            there = self._fs.size(descriptor)
            if there > size:
                self._fs.truncate(descriptor, size)
                self._fs.fsync(descriptor)
        finally:
            self._fs.close(descriptor)
        if there < size:
            raise FileDamaged("bytes of the upload are missing from the storage element")

    def _copy(self, upload: OpenUpload) -> None:
        """Make the part one of this leadership; the old one may still be open elsewhere."""
        self._space.promise(upload.offset)
        copy, path = self._commits.temporary(upload.file_id, "upload.part"), self._part(upload)
        try:
            self._cut(path, upload.offset)
            source, target = self._fs.open(path, READ), self._fs.open(copy, CREATE)
            try:
                start = 0
                while start < upload.offset:
                    data = self._fs.read(source, min(STEP, upload.offset - start), start)
                    write_all(self._fs, target, data)
                    start += len(data)
                self._fs.fsync(target)
            finally:
                self._fs.close(target)
                self._fs.close(source)
            self._fs.rename(copy, path)
            sync_folder(self._fs, self._layout.uploads)
            self._keep(upload.grown(upload.offset, epoch=self._epoch, expires_at=upload.expires_at))
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.unlink(copy)
            raise
        finally:
            self._space.settle(upload.offset, upload.offset)

    def _load(self, path: Path) -> None:
        try:
            upload = decode(read_file(self._fs, path, LARGEST_RECORD))
            if parse_file_id(path.name.removesuffix(".json")) != upload.file_id:
                raise CorruptDocument(f"it speaks of the upload {upload.upload_id}")
            if upload.offset and not upload.completed:
                self._cut(self._part(upload), upload.offset)
        except (CorruptDocument, FileDamaged, ValidationFailed) as error:
            log.error("an upload cannot be gone on with", name=path.name, reason=str(error))  # noqa: TRY400 - no fault of ours
            return
        self._known[upload.upload_id] = upload
        self._space.keep(upload.outstanding)

    def _part(self, upload: OpenUpload) -> Path:
        return self._layout.uploads / f"{upload.upload_id}.part"

    def _record(self, upload: OpenUpload) -> Path:
        return self._layout.uploads / f"{upload.upload_id}.json"
