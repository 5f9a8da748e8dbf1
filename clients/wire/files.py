"""Documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artstore.types.v1 import file_pb2

from clients.wire.scalars import (
    EnumTable,
    duration_from_proto,
    duration_to_proto,
    json_from_text,
    json_to_text,
    only_set,
    time_from_proto,
    time_to_proto,
)
from services.model.errors import ValidationFailed
from services.model.files import (
    DEFAULT_CONTENT_TYPE,
    ByteRange,
    DownloadTrailer,
    FileAttributes,
    FileChange,
    FileStatus,
    NewFile,
    RetentionPolicy,
    UploadCommit,
)
from services.model.ids import Subject, parse_file_id

if TYPE_CHECKING:
    from artstore.types.v1.file_pb2 import FileStatus as FileStatusProto
    from artstore.types.v1.file_pb2 import RetentionPolicy as RetentionPolicyProto

_POLICIES = EnumTable(RetentionPolicy, file_pb2.RetentionPolicy, "RETENTION_POLICY")
_STATUSES = EnumTable(FileStatus, file_pb2.FileStatus, "FILE_STATUS")


def policy_to_proto(policy: RetentionPolicy | None) -> RetentionPolicyProto.ValueType:
    """None becomes the unspecified value."""
    return _POLICIES.to_proto(policy)


def policy_from_proto(number: int, field: str = "retention_policy") -> RetentionPolicy:
    """Raises `ValidationFailed` also when it is unspecified."""
    return _POLICIES.from_proto(number, field)


def policy_filter_from_proto(number: int, field: str = "retention_policy") -> RetentionPolicy | None:
    """None: both policies."""
    return _POLICIES.optional(number, field)


def status_to_proto(status: FileStatus | None) -> FileStatusProto.ValueType:
    """None becomes the unspecified value."""
    return _STATUSES.to_proto(status)


def status_from_proto(number: int, field: str = "status") -> FileStatus | None:
    """The unspecified value, as a filter, becomes None."""
    return _STATUSES.optional(number, field)


def file_to_proto(file: FileAttributes) -> file_pb2.File:
    """Every attribute."""
    return file_pb2.File(
        file_id=file.file_id,
        original_filename=file.original_filename,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        uploaded_by=file.uploaded_by,
        uploaded_at=time_to_proto(file.uploaded_at),
        updated_at=time_to_proto(file.updated_at),
        description=file.description,
        tags=file.tags,
        metadata_json=json_to_text(file.metadata),
        retention_policy=policy_to_proto(file.retention_policy),
        status=status_to_proto(file.status),
        deleted_by=file.deleted_by or "",
        revision=file.revision,
        epoch=file.epoch,
        **only_set(
            ttl=duration_to_proto(file.ttl),
            expires_at=time_to_proto(file.expires_at),
            deleted_at=time_to_proto(file.deleted_at),
        ),
    )


def file_from_proto(message: file_pb2.File) -> FileAttributes:
    """Every attribute."""
    return FileAttributes(
        file_id=parse_file_id(message.file_id),
        original_filename=message.original_filename,
        content_type=message.content_type,
        size=message.size,
        sha256=message.sha256,
        uploaded_by=Subject(message.uploaded_by),
        uploaded_at=time_from_proto(message.uploaded_at, "uploaded_at"),
        updated_at=time_from_proto(message.updated_at, "updated_at"),
        description=message.description,
        tags=tuple(message.tags),
        metadata=json_from_text(message.metadata_json, "metadata"),
        retention_policy=policy_from_proto(message.retention_policy),
        ttl=duration_from_proto(message.ttl, "ttl") if message.HasField("ttl") else None,
        expires_at=time_from_proto(message.expires_at, "expires_at") if message.HasField("expires_at") else None,
        status=_STATUSES.from_proto(message.status, "status"),
        deleted_at=time_from_proto(message.deleted_at, "deleted_at") if message.HasField("deleted_at") else None,
        deleted_by=Subject(message.deleted_by) if message.deleted_by else None,
        revision=message.revision,
        epoch=message.epoch,
    )


def new_file_to_proto(new_file: NewFile) -> file_pb2.NewFile:
    """Every field."""
    return file_pb2.NewFile(
        file_id=new_file.file_id or "",
        original_filename=new_file.original_filename,
        content_type=new_file.content_type,
        retention_policy=policy_to_proto(new_file.retention_policy),
        description=new_file.description,
        tags=new_file.tags,
        metadata_json=json_to_text(new_file.metadata),
        **only_set(ttl=duration_to_proto(new_file.ttl), declared_size=new_file.declared_size),
    )


def new_file_from_proto(message: file_pb2.NewFile) -> NewFile:
    """Every field; not yet checked against the limits."""
    return NewFile(
        original_filename=message.original_filename,
        retention_policy=policy_from_proto(message.retention_policy),
        content_type=message.content_type or DEFAULT_CONTENT_TYPE,
        ttl=duration_from_proto(message.ttl, "ttl_days") if message.HasField("ttl") else None,
        description=message.description,
        tags=tuple(message.tags),
        metadata=json_from_text(message.metadata_json, "metadata"),
        declared_size=message.declared_size if message.HasField("declared_size") else None,
        file_id=parse_file_id(message.file_id) if message.file_id else None,
    )


def change_to_proto(change: FileChange) -> file_pb2.FileChange:
    """Only the fields that are to change."""
    return file_pb2.FileChange(
        **only_set(
            description=change.description,
            tags=None if change.tags is None else file_pb2.TagList(values=change.tags),
            metadata_json=None if change.metadata is None else json_to_text(change.metadata),
        )
    )


def change_from_proto(message: file_pb2.FileChange) -> FileChange:
    """Only the fields that are to change; not yet checked against the limits."""
    return FileChange(
        description=message.description if message.HasField("description") else None,
        tags=tuple(message.tags.values) if message.HasField("tags") else None,
        metadata=json_from_text(message.metadata_json, "metadata") if message.HasField("metadata_json") else None,
    )


def commit_to_proto(commit: UploadCommit) -> file_pb2.UploadCommit:
    """Length, and the digest where it is known."""
    return file_pb2.UploadCommit(size=commit.size, sha256=commit.sha256 or "")


def commit_from_proto(message: file_pb2.UploadCommit) -> UploadCommit:
    """Length, and the digest where it is known; not yet checked."""
    return UploadCommit(size=message.size, sha256=message.sha256 or None)


def trailer_to_proto(trailer: DownloadTrailer) -> file_pb2.DownloadTrailer:
    """Length, and the digest where the whole file was sent."""
    return file_pb2.DownloadTrailer(size=trailer.size, sha256=trailer.sha256 or "")


def trailer_from_proto(message: file_pb2.DownloadTrailer) -> DownloadTrailer:
    """Length, and the digest where the whole file was sent."""
    return DownloadTrailer(size=message.size, sha256=message.sha256 or None)


def range_to_proto(wanted: ByteRange) -> file_pb2.ByteRange:
    """Both ends inclusive."""
    return file_pb2.ByteRange(first=wanted.first, last=wanted.last)


def range_from_proto(message: file_pb2.ByteRange, field: str = "range") -> ByteRange:
    """Both ends inclusive. Raises `ValidationFailed` unless 0 ≤ first ≤ last; the file's size is not known here."""
    if not 0 <= message.first <= message.last:
        raise ValidationFailed.of(field, "must begin at or after 0 and must not end before it begins")
    return ByteRange(message.first, message.last)
