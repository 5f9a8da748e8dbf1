"""What a row of the registry becomes when an element says how a document is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from services.model.elements import ElementAddress
from services.model.errors import FieldProblem, raise_for
from services.model.files import FileAttributes, FileStatus, RetentionPolicy, name_problems, user_field_problems
from services.model.ids import ElementId

_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_SIZE = 2**63 - 1
"""Of any number."""
MAX_WORDS = 2048
"""Bytes of what is looked for as a whole; an index of PostgreSQL takes little more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an element answered of one document."""

    element_id: ElementId
    file: FileAttributes

    def check(self) -> None:
        """Raise `ValidationFailed` unless the registry can hold it: elements may stand on anybody's host."""
        file = self.file
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
        raise_for(problems)


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
