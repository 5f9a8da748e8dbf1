"""Identifiers. Those that look alike have types of their own, so that one cannot be passed for another."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import NewType

from services.model.errors import ValidationFailed

FileId = NewType("FileId", str)
"""A UUIDv7 (RFC 9562 section 5.7) in canonical lower-case text."""
ElementId = NewType("ElementId", str)
"""The UUID under which Admin has an element registered."""
ElementUuid = NewType("ElementUuid", str)
"""The UUID of an element's directory, made when the directory became an element."""
QuarantineId = NewType("QuarantineId", str)
"""What an element calls something that it has set aside: the name of a folder, `<time>_<what>`."""
StorageId = NewType("StorageId", str)
"""An element's configured name: lower-case letters, digits and hyphens, a DNS label."""
UploadId = NewType("UploadId", str)
"""A resumable upload on an element; the same UUID as the file that it will be."""
Subject = NewType("Subject", str)
"""Who acts: the `sub` of a token."""

_QUARANTINE = re.compile(r"[0-9]{8}T[0-9]{6,12}_[0-9a-z_-]{1,100}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_file_id(text: str, *, field: str = "file_id") -> FileId:
    """Return the file id that `text` writes, in canonical form. Raises `ValidationFailed` naming `field`."""
    value = _uuid(text)
    if value is None or value.version != 7 or value.variant != uuid.RFC_4122:
        raise ValidationFailed.of(field, "must be a UUID of version 7")
    return FileId(str(value))


def parse_upload_id(text: str, *, field: str = "upload_id") -> UploadId:
    """Return the upload id that `text` writes, in canonical form. Raises `ValidationFailed` naming `field`."""
    return UploadId(parse_file_id(text, field=field))


def parse_element_id(text: str, *, field: str = "element_id") -> ElementId:
    """Return the element id that `text` writes, in canonical form. Raises `ValidationFailed` naming `field`."""
    value = _uuid(text)
    if value is None:
        raise ValidationFailed.of(field, "must be a UUID")
    return ElementId(str(value))


def parse_uuid(text: str, *, field: str) -> str:
    """Return the UUID that `text` writes, in canonical form. Raises `ValidationFailed` naming `field`."""
    value = _uuid(text)
    if value is None:
        raise ValidationFailed.of(field, "must be a UUID")
    return str(value)


def parse_quarantine_id(text: str, *, field: str = "item_id") -> QuarantineId:
    """Return the name of something set aside. Raises `ValidationFailed` naming `field` if it cannot be one."""
    if not _QUARANTINE.fullmatch(text):
        raise ValidationFailed.of(field, "is not the id of something that was set aside")
    return QuarantineId(text)


def file_id_time(file_id: FileId) -> datetime:
    """The UTC instant inside a UUIDv7, to the millisecond; it decides the folder in which the file lies."""
    return _EPOCH + timedelta(milliseconds=uuid.UUID(file_id).int >> 80)


def _uuid(text: str) -> uuid.UUID | None:
    if len(text) != 36:  # uuid.UUID also takes braces, "urn:" and missing hyphens; we do not
        return None
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
