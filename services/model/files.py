"""Documents: their attributes, and the limits on what a caller may say of one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Any

from services.model.errors import FieldProblem, ValidationFailed, raise_for
from services.model.ids import FileId, Subject

JsonObject = Mapping[str, Any]
"""A JSON object (RFC 8259) as Python values."""

DEFAULT_CONTENT_TYPE = "application/octet-stream"
DEFAULT_TTL = timedelta(days=30)
MIN_TTL = timedelta(seconds=1)
MAX_TTL = timedelta(days=365)
MAX_NAME_BYTES = 1024
MAX_CONTENT_TYPE_LENGTH = 255
MAX_TAGS = 100
MAX_TAG_LENGTH = 100

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN_DEPTH = 8
_PLAIN_NUMBERS = 2**64
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class RetentionPolicy(StrEnum):
    """How long a document is meant to stay."""

    TEMPORARY = "temporary"
    """Ends at `expires_at`."""
    PERMANENT = "permanent"
    """Has no end."""


class FileStatus(StrEnum):
    """What state a document is in. Only `ACTIVE` ones are served."""

    ACTIVE = "active"
    EXPIRED = "expired"
    DELETED = "deleted"
    DAMAGED = "damaged"
    """Its bytes differ from its digest."""
    MISSING = "missing"
    """Attributes without bytes, or a row whose element no longer knows the file."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """What an uploader says of a document before its bytes. `check` it before use."""

    original_filename: str
    retention_policy: RetentionPolicy
    content_type: str = DEFAULT_CONTENT_TYPE
    ttl: timedelta | None = None
    """Temporary files only; None means `DEFAULT_TTL` there."""
    description: str = ""
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict)
    declared_size: int | None = None
    """Bytes to come, where the sender knows."""
    file_id: FileId | None = None

    def check(self) -> None:
        """Raise `ValidationFailed` naming every field that is wrong."""
        problems = [
            *name_problems(self.original_filename),
            *_content_type_problems(self.content_type),
            *_ttl_problems(self.retention_policy, self.ttl),
            *user_field_problems(self.description, self.tags, self.metadata),
        ]
        if self.declared_size is not None and self.declared_size < 0:
            problems.append(FieldProblem("size", "must not be negative"))
        raise_for(problems)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A change of what users may change; None leaves a field as it is."""

    description: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: JsonObject | None = None

    def check(self) -> None:
        """Raise `ValidationFailed` naming every field that is wrong, or when nothing would change."""
        if self.description is None and self.tags is None and self.metadata is None:
            raise ValidationFailed("nothing to change: give description, tags or metadata")
        raise_for(user_field_problems(self.description or "", self.tags or (), self.metadata or {}))


@dataclass(frozen=True, slots=True)
class FileAttributes:
    """A document's attributes: what its `*.attr.json` says, less what is private to the element."""

    file_id: FileId
    original_filename: str
    content_type: str
    size: int
    """Bytes."""
    sha256: str
    """Of the content, 64 lower-case hexadecimal digits."""
    uploaded_by: Subject
    uploaded_at: datetime
    updated_at: datetime
    retention_policy: RetentionPolicy
    status: FileStatus = FileStatus.ACTIVE
    description: str = ""
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict)
    ttl: timedelta | None = None
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_by: Subject | None = None
    revision: int = 1
    epoch: int = 0

    def status_at(self, now: datetime) -> FileStatus:
        """The status as it counts at `now`: a file past its end is expired, whenever that is written down."""
        if self.status is FileStatus.ACTIVE and self.expires_at is not None and now >= self.expires_at:
            return FileStatus.EXPIRED
        return self.status


@dataclass(frozen=True, slots=True)
class UploadCommit:
    """What an uploader says at the end: without it nothing is kept. `check` it before use."""

    size: int
    """Bytes sent."""
    sha256: str | None = None
    """That the content must have, 64 lower-case hexadecimal digits; None where the uploader declared none."""

    def check(self) -> None:
        """Raise `ValidationFailed` naming every field that is wrong."""
        problems = []
        if self.size < 0:
            problems.append(FieldProblem("size", "must not be negative"))
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            problems.append(FieldProblem("sha256", "must be 64 lower-case hexadecimal digits"))
        raise_for(problems)


@dataclass(frozen=True, slots=True)
class DownloadTrailer:
    """What a sender says at the end: without it the content is cut."""

    size: int
    """Bytes sent."""
    sha256: str | None = None
    """Of the whole content, where the whole file was sent; None for a range."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range of bytes, both ends inclusive, within a file."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def name_problems(name: str) -> list[FieldProblem]:
    """What is wrong with a client's file name. Anything but NUL and lone surrogates is kept exactly as sent."""
    if not name:
        return [FieldProblem("filename", "must not be empty")]
    if "\0" in name:
        return [FieldProblem("filename", "must not contain NUL")]
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return [FieldProblem("filename", "is not valid UTF-8")]
    if length > MAX_NAME_BYTES:
        return [FieldProblem("filename", f"is {length} bytes of UTF-8 long; at most {MAX_NAME_BYTES} are kept")]
    return []


def user_field_problems(description: str, tags: tuple[str, ...], metadata: JsonObject) -> list[FieldProblem]:
    """What is wrong with the fields that users may change. Their common size is the element's to judge."""
    problems = []
    if not _storable(description):
        problems.append(FieldProblem("description", "must not contain NUL or lone surrogates"))
    if len(tags) > MAX_TAGS:
        problems.append(FieldProblem("tags", f"at most {MAX_TAGS} are allowed"))
    for tag in tags:
        if not tag or len(tag) > MAX_TAG_LENGTH or not _storable(tag):
            problems.append(FieldProblem("tags", f"each tag has 1 to {MAX_TAG_LENGTH} characters and no NUL"))
            break
    if not _storable_json(metadata):
        problems.append(FieldProblem("metadata", "must be a JSON object without NUL, NaN or Infinity"))
    return problems


def unique(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags in their order, each once."""
    return tuple(dict.fromkeys(tags))


def _content_type_problems(content_type: str) -> list[FieldProblem]:
    # It comes back as a header: nothing but visible ASCII, space and tab may be in it (RFC 9110 section 5.5).
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH or not all(" " <= c <= "~" or c == "\t" for c in content_type):
        return [FieldProblem("content_type", f"must be ASCII and at most {MAX_CONTENT_TYPE_LENGTH} characters long")]
    return []


def _ttl_problems(policy: RetentionPolicy, ttl: timedelta | None) -> list[FieldProblem]:
    if ttl is None:
        return []
    if policy is RetentionPolicy.PERMANENT:
        return [FieldProblem("ttl_days", "only temporary files have a time to live")]
    if not MIN_TTL <= ttl <= MAX_TTL:
        return [FieldProblem("ttl_days", f"must be between {MIN_TTL.seconds} second and {MAX_TTL.days} days")]
    return []


def _storable(text: str) -> bool:
    """Whether both UTF-8 and PostgreSQL can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _storable_json(value: JsonObject) -> bool:
    return is_plain(value) or _storable_as_text(value)


def is_plain(value: object, depth: int = _PLAIN_DEPTH) -> bool:
    """Whether a JSON value can be stored, as far as that is seen at once: as good as always.

    To write it out would take far longer. By exact types, and with loops: it is done for each document of a sync.
    """
    kind = type(value)
    if kind is str:
        return value.isprintable()  # type: ignore[attr-defined, no-any-return]  # it is what its type is
    if kind is dict:
        return depth > 0 and _is_plain_object(value, depth - 1)  # type: ignore[arg-type]  # as above
    if kind is list or kind is tuple:
        return depth > 0 and all(is_plain(each, depth - 1) for each in value)  # type: ignore[attr-defined]  # as above
    if kind is int:
        return -_PLAIN_NUMBERS < value < _PLAIN_NUMBERS  # type: ignore[operator]  # as above
    return value is None or kind is bool or (kind is float and isfinite(value))  # type: ignore[arg-type]  # as above


def _is_plain_object(value: JsonObject, depth: int) -> bool:
    for name, each in value.items():
        if type(name) is not str or not name.isprintable() or not is_plain(each, depth):
            return False
    return True


def _storable_as_text(value: JsonObject) -> bool:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return False
    return _storable(text) and not _ESCAPED_NUL.search(text)
