"""What a row of the registry becomes when an element says how a document is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from services.model.elements import ElementAddress
from services.model.errors import FieldProblem, raise_for
from services.model.files import (
    MAX_NAME_BYTES,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    FileAttributes,
    FileStatus,
    RetentionPolicy,
    is_plain,
    name_problems,
    user_field_problems,
)
from services.model.ids import ElementId

_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_SIZE = 2**63 - 1
"""Of any number."""
MAX_WORDS = 2048
"""Bytes of what is looked for as a whole; an index of PostgreSQL takes little more."""
_LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an element answered of one document."""

    element_id: ElementId
    file: FileAttributes

    def check(self) -> None:
        """Raise `ValidationFailed` unless the registry can hold it: elements may stand on anybody's host."""
        if not is_plainly_fit(self.file):
            raise_for(problems_of(self.file))


def problems_of(file: FileAttributes) -> list[FieldProblem]:
    """Why the registry cannot hold it."""
    problems = [
        *name_problems(file.original_filename),
        *user_field_problems(file.description, file.tags, file.metadata),
    ]
    if not 0 <= file.size <= MAX_SIZE:
        problems.append(FieldProblem("size", "must not be negative"))
    if not _SHA256.fullmatch(file.sha256):
        problems.append(FieldProblem("sha256", "must be 64 lower-case hexadecimal digits"))
    if not 1 <= file.revision <= MAX_SIZE:
        problems.append(FieldProblem("revision", "must be at least 1"))
    if not 0 <= file.epoch <= MAX_SIZE:
        problems.append(FieldProblem("epoch", "must not be negative"))
    if not file.uploaded_by or not _is_short(file.uploaded_by + (file.deleted_by or "") + file.content_type):
        problems.append(FieldProblem("uploaded_by", "must be a subject"))
    if (file.expires_at is None) != (file.retention_policy is RetentionPolicy.PERMANENT):
        problems.append(FieldProblem("expires_at", "temporary files have an end, permanent ones have none"))
    return problems


def is_plainly_fit(file: FileAttributes) -> bool:
    """Whether it is seen at once that the registry can hold it, as with nearly all; it may where this is False, too."""
    name, by, kind = file.original_filename, file.uploaded_by, file.content_type
    tags = "".join(file.tags)
    # What is printable has neither NUL nor lone surrogates.
    return (
        f"{name}{by}{kind}{file.description}{tags}".isprintable()
        and 0 < len(name) <= MAX_NAME_BYTES // _LONGEST_CHARACTER
        and 0 < len(by) <= len(by) + len(kind) <= MAX_WORDS // _LONGEST_CHARACTER
        and file.deleted_by is None
        and (not file.tags or _are_tags(file.tags))
        and is_plain(file.metadata)
        and 0 <= file.size <= MAX_SIZE
        and 1 <= file.revision <= MAX_SIZE
        and 0 <= file.epoch <= MAX_SIZE
        and _SHA256.fullmatch(file.sha256) is not None
        and (file.expires_at is None) == (file.retention_policy is RetentionPolicy.PERMANENT)
    )


def _are_tags(tags: tuple[str, ...]) -> bool:
    lengths = [*map(len, tags)]
    return len(tags) <= MAX_TAGS and 0 < min(lengths) <= max(lengths) <= MAX_TAG_LENGTH


def _is_short(text: str) -> bool:
    return "\0" not in text and len(text.encode(errors="replace")) <= MAX_WORDS


@dataclass(frozen=True, slots=True)
class Located:
    """A row, and the element that it points to."""

    file: FileAttributes
    element: ElementAddress


def ended_as(file: FileAttributes, status: FileStatus) -> FileAttributes:
    """The row of a file that the element says it has destroyed; its attributes are no more, so the rest stays."""
    return file if file.status is status else replace(file, status=status, revision=file.revision + 1)


def supersedes(new: FileAttributes, old: FileAttributes) -> bool:
    """Whether `new` replaces the row `old`: a later revision does, and so does a sign of life of a missing file."""
    return supersedes_as(new.revision, new.status, old.revision, old.status)


def supersedes_as(revision: int, status: FileStatus, old_revision: int, old_status: FileStatus) -> bool:
    """The same for what matters of them."""
    if revision != old_revision:
        return revision > old_revision
    return old_status is FileStatus.MISSING and status is not FileStatus.MISSING
