"""A resumable upload as it lies beside its bytes, and what may be done with it.

`uploads/<id>.json`, sealed and replaced whole:

    {"format":1,"upload_id":"0198…","epoch":12,"offset":1048576,"by":"sa_scanner_x1",
     "expires_at":"2026-11-22T01:30:00.000Z","completed":false,
     "file":{"original_filename":"…","content_type":"…","retention_policy":"temporary","ttl_seconds":2592000.0,
             "description":"","tags":[],"metadata":{},"declared_size":2097152},"attr_sha256":"…"}

The id is the file's. `offset`: the bytes of `uploads/<id>.part` that were acknowledged; what lies behind them was not.
`epoch`: the leadership under which the part was made: a later one makes a part of its own before it adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.model.errors import ChecksumMismatch, Conflict, FieldProblem, Forbidden, ValidationFailed
from services.model.files import NewFile, RetentionPolicy
from services.model.ids import FileId, Subject, UploadId, parse_file_id
from services.model.uploads import UploadState
from services.storage.domain.seal import CorruptDocument, seal, unseal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """One upload."""

    new: NewFile
    """With its id."""
    by: Subject
    expires_at: datetime
    epoch: int = 0
    offset: int = 0
    completed: bool = False

    @property
    def file_id(self) -> FileId:
        assert self.new.file_id is not None, "an upload has the id of its file"
        return self.new.file_id

    @property
    def upload_id(self) -> UploadId:
        return UploadId(self.file_id)

    @property
    def outstanding(self) -> int:
        """Bytes that were declared and have not come yet."""
        return 0 if self.completed else max(0, (self.new.declared_size or 0) - self.offset)

    def state(self) -> UploadState:
        return UploadState(self.upload_id, self.offset, self.new.declared_size, self.expires_at, self.completed)

    def grown(self, offset: int, *, epoch: int, expires_at: datetime) -> OpenUpload:
        """It has so many bytes now."""
        return replace(self, offset=offset, epoch=epoch, expires_at=expires_at)

    def done(self, *, expires_at: datetime) -> OpenUpload:
        """The document has been made of it."""
        return replace(self, completed=True, expires_at=expires_at)


def require_owner(upload: OpenUpload, by: Subject) -> None:
    """Raise `Forbidden` unless it is he who began it."""
    if upload.by != by:
        raise Forbidden("the upload was begun by somebody else")


def require_same(upload: OpenUpload, new: NewFile) -> None:
    """Raise `Conflict` unless the upload is of such a document: an id is used once."""
    if upload.new != new:
        raise Conflict("an upload of another document has this id")


def require_offset(upload: OpenUpload, offset: int) -> None:
    """Raise `Conflict` unless bytes from there on can be added; its details tell the offset."""
    if upload.completed:
        raise Conflict("the upload has been completed")
    if upload.offset != offset:
        raise Conflict(f"the upload has {upload.offset} bytes, not {offset}",
                       [FieldProblem("offset", str(upload.offset))])  # fmt: skip


def check_end(*, said: int, received: int) -> None:
    """Raise `ChecksumMismatch` if less or more came than was sent. What came stays."""
    if said != received:
        raise ChecksumMismatch(f"{received} bytes came, {said} were sent")


def encode(upload: OpenUpload) -> bytes:
    """The text of `<id>.json`."""
    new = upload.new
    return seal(
        {
            "format": FORMAT,
            "upload_id": upload.upload_id,
            "epoch": upload.epoch,
            "offset": upload.offset,
            "by": upload.by,
            "expires_at": _write_time(upload.expires_at),
            "completed": upload.completed,
            "file": {
                "original_filename": new.original_filename,
                "content_type": new.content_type,
                "retention_policy": new.retention_policy.value,
                "ttl_seconds": None if new.ttl is None else new.ttl.total_seconds(),
                "description": new.description,
                "tags": list(new.tags),
                "metadata": new.metadata,
                "declared_size": new.declared_size,
            },
        }
    )


def decode(text: bytes) -> OpenUpload:
    """The upload that `text` holds. Raises `CorruptDocument`."""
    members = unseal(text)
    try:
        if members["format"] != FORMAT:
            raise CorruptDocument(f"format {members['format']} is not known")
        return OpenUpload(
            new=_new_file(parse_file_id(members["upload_id"]), members["file"]),
            by=Subject(str(members["by"])),
            expires_at=datetime.fromisoformat(members["expires_at"]),
            epoch=int(members["epoch"]),
            offset=int(members["offset"]),
            completed=bool(members["completed"]),
        )
    except (KeyError, ValueError, TypeError, OverflowError, ValidationFailed) as error:
        raise CorruptDocument(f"it is not an upload: {error!r}") from None


def _new_file(file_id: FileId, members: Mapping[str, Any]) -> NewFile:
    ttl, size = members["ttl_seconds"], members["declared_size"]
    return NewFile(
        original_filename=str(members["original_filename"]),
        retention_policy=RetentionPolicy(members["retention_policy"]),
        content_type=str(members["content_type"]),
        ttl=None if ttl is None else timedelta(seconds=ttl),
        description=str(members["description"]),
        tags=tuple(map(str, members["tags"])),
        metadata=dict(members["metadata"]),
        declared_size=None if size is None else int(size),
        file_id=file_id,
    )


def _write_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
