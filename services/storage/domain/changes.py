"""What becomes of a file's attributes when something is done to it. Each change raises the revision by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.model.errors import (
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from services.model.files import (
    DEFAULT_TTL,
    ByteRange,
    FileAttributes,
    FileChange,
    FileStatus,
    NewFile,
    RetentionPolicy,
    unique,
)
from services.model.ids import FileId, Subject
from services.storage.domain.documents import Document, check_room, deleter

Decision = Callable[[Document], FileAttributes]
"""What becomes of a file's attributes; the present ones themselves, if nothing does."""


def created(new: NewFile, *, file_id: FileId, size: int, sha256: str, by: Subject, at: datetime) -> FileAttributes:
    """The attributes of a file whose content has arrived. Times are kept to the millisecond, as they are written."""
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    ttl = (new.ttl or DEFAULT_TTL) if new.retention_policy is RetentionPolicy.TEMPORARY else None
    return FileAttributes(
        file_id=file_id,
        original_filename=new.original_filename,
        content_type=new.content_type,
        size=size,
        sha256=sha256,
        uploaded_by=by,
        uploaded_at=at,
        updated_at=at,
        description=new.description,
        tags=unique(new.tags),
        metadata=new.metadata,
        retention_policy=new.retention_policy,
        ttl=ttl,
        expires_at=at + ttl if ttl is not None else None,
    )


def updated(document: Document, change: FileChange, *, expected_revision: int | None, at: datetime) -> FileAttributes:
    """The attributes after a user's change.

    Raises `PreconditionFailed`, `FileDeleted`, `FileExpired`, `MetadataTooLarge`.
    """
    file = document.attributes
    _require_revision(file, expected_revision)
    _require_present(file, at)
    after = replace(
        _next(file, at),
        description=file.description if change.description is None else change.description,
        tags=file.tags if change.tags is None else unique(change.tags),
        metadata=file.metadata if change.metadata is None else change.metadata,
    )
    check_room(after, document.unknown)
    return after


def deleted(document: Document, *, expected_revision: int | None, by: Subject, at: datetime) -> FileAttributes:
    """The attributes after deletion; those of a deleted file as they are. Raises `PreconditionFailed`."""
    file = document.attributes
    if file.status is FileStatus.DELETED:
        return file
    _require_revision(file, expected_revision)
    after = _next(file, at)
    return replace(after, status=FileStatus.DELETED, deleted_at=after.updated_at, deleted_by=deleter(by))


def require_servable(file: FileAttributes, at: datetime) -> None:
    """Raise `FileDeleted`, `FileExpired`, `FileDamaged` or `FileMissing` if the content is not to be served at `at`."""
    _require_present(file, at)
    if file.status is FileStatus.DAMAGED:
        raise FileDamaged("the file's bytes differ from its digest; they are not served")
    if file.status is FileStatus.MISSING:
        raise FileMissing("the file's bytes are missing from the storage element")


def resolve(wanted: ByteRange | None, size: int) -> ByteRange | None:
    """`wanted` if it lies within `size` bytes, None for all. Raises `RangeNotSatisfiable`."""
    if wanted is not None and not 0 <= wanted.first <= wanted.last < size:
        raise RangeNotSatisfiable(f"bytes {wanted.first}-{wanted.last} do not lie within the file's {size} bytes")
    return wanted


def _next(file: FileAttributes, at: datetime) -> FileAttributes:
    return replace(file, revision=file.revision + 1, updated_at=at.replace(microsecond=at.microsecond // 1000 * 1000))


def _require_revision(file: FileAttributes, expected: int | None) -> None:
    if expected is not None and file.revision != expected:
        raise PreconditionFailed(f"the file has revision {file.revision}, not {expected}")


def _require_present(file: FileAttributes, at: datetime) -> None:
    status = file.status_at(at)
    if status is FileStatus.DELETED:
        raise FileDeleted("the file was deleted")
    if status is FileStatus.EXPIRED:
        raise FileExpired("the file has expired")
