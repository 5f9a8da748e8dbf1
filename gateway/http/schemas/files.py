"""Documents in requests and answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from services.model.files import FileAttributes, FileChange, FileStatus, NewFile, RetentionPolicy, unique
from services.model.paging import Page, PageRequest

_DAY = timedelta(days=1)

TtlDays = Annotated[int, Meta(ge=1, le=365, description="Days to live; temporary files only, 30 if not given.")]


class File(msgspec.Struct, frozen=True):
    """A document's attributes."""

    file_id: Annotated[str, Meta(description="UUID, version 7.")]
    original_filename: Annotated[str, Meta(description="Exactly as uploaded.")]
    content_type: Annotated[str, Meta(description="As declared by the uploader.")]
    size: Annotated[int, Meta(description="Bytes.")]
    sha256: Annotated[str, Meta(description="Of the content: 64 lower-case hexadecimal digits.")]
    uploaded_by: str
    uploaded_at: datetime
    updated_at: datetime
    description: str
    tags: list[str]
    metadata: Annotated[dict[str, Any], Meta(description="The user's own JSON object.")]
    status: FileStatus
    retention_policy: RetentionPolicy
    ttl_days: Annotated[int | None, Meta(description="Rounded up; expires_at is exact. null: no end.")]
    expires_at: Annotated[datetime | None, Meta(description="When it stops being served. null: never.")]
    revision: Annotated[int, Meta(description="Rises with every change of the attributes; also the ETag.")]


class FilePage(msgspec.Struct, frozen=True):
    """A part of a listing."""

    items: list[File]
    total: Annotated[int, Meta(description="Rows in the whole listing; about, above 10,000.")]
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


class UploadMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an uploader says of a document."""

    retention_policy: RetentionPolicy
    ttl_days: TtlDays | None = None
    description: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None

    def new_file(self, *, filename: str, content_type: str, declared_size: int | None) -> NewFile:
        """The same as the model's. Raises `ValidationFailed` naming every field that is wrong."""
        new_file = NewFile(
            original_filename=filename,
            retention_policy=self.retention_policy,
            content_type=content_type,
            ttl=None if self.ttl_days is None else timedelta(days=self.ttl_days),
            description=self.description or "",
            tags=unique(tuple(self.tags or ())),
            metadata=self.metadata or {},
            declared_size=declared_size,
        )
        new_file.check()
        return new_file


class ContentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an uploader of a raw body says of it in the address."""

    filename: str
    retention_policy: RetentionPolicy
    ttl_days: TtlDays | None = None
    description: str = ""
    tags: Annotated[list[str], Meta(description="Repeat the parameter for each tag.")] = []

    def metadata(self) -> UploadMetadata:
        return UploadMetadata(self.retention_policy, self.ttl_days, self.description, self.tags)


class FileUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change; what is left out, or null, stays as it is."""

    description: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None

    def change(self) -> FileChange:
        """The same as the model's. Raises `ValidationFailed` naming every field that is wrong."""
        tags = None if self.tags is None else unique(tuple(self.tags))
        change = FileChange(description=self.description, tags=tags, metadata=self.metadata)
        change.check()
        return change


def file_of(attributes: FileAttributes) -> File:
    """What a client sees of a document."""
    ttl = attributes.ttl
    return File(
        file_id=attributes.file_id,
        original_filename=attributes.original_filename,
        content_type=attributes.content_type,
        size=attributes.size,
        sha256=attributes.sha256,
        uploaded_by=attributes.uploaded_by,
        uploaded_at=attributes.uploaded_at,
        updated_at=attributes.updated_at,
        description=attributes.description,
        tags=list(attributes.tags),
        metadata=dict(attributes.metadata),
        status=attributes.status,
        retention_policy=attributes.retention_policy,
        ttl_days=None if ttl is None else math.ceil(ttl / _DAY),
        expires_at=attributes.expires_at,
        revision=attributes.revision,
    )


def file_page(files: Sequence[FileAttributes], page: Page[Any], asked: PageRequest) -> FilePage:
    """A page of documents."""
    return FilePage(
        items=[file_of(file) for file in files],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )
