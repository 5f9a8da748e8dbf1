"""What becomes of a file whose bytes were read again. Pure decisions.

Bytes that differ from their digest make a file `damaged`, bytes that are not there make it `missing`, and the right
bytes, wherever they came from, make it active again. The attributes keep what was found:

    "damage":{"found_at":"2026-11-21T01:30:00.000Z","actual_sha256":"…"}      null: there were no bytes

A file that was deleted or has expired is not judged: whatever its bytes are, it stays ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.model.errors import FileDeleted, FileExpired
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.maintenance import Finding, Issue, Verified
from services.storage.domain.documents import Document, write_time

DAMAGE = "damage"
JUDGED = frozenset({FileStatus.ACTIVE, FileStatus.DAMAGED, FileStatus.MISSING})
"""Statuses that depend on the bytes."""


@dataclass(frozen=True, slots=True)
class Actual:
    """Bytes as they are on the disk."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Examined:
    """Bytes in the quarantine that were read."""

    actual: Actual
    stamp: tuple[int, int, int]
    """By which it is seen that they are the same still."""


class Kind(StrEnum):
    """Why something lies in the quarantine."""

    DAMAGED = "damaged"
    ORPHANED = "orphaned"
    CORRUPT = "corrupt"
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Reason:
    """What is written down about something that is set aside."""

    kind: Kind
    found_at: datetime
    file_id: FileId | None
    path: str
    """Where it lay, from the element's folder on."""
    detail: str
    expected_sha256: str = ""
    actual_sha256: str = ""


def judged(file: FileAttributes, actual: Actual | None) -> FileStatus:
    """ACTIVE, DAMAGED or MISSING: what a file is that has these bytes (None: none)."""
    if actual is None:
        return FileStatus.MISSING
    right = (actual.size, actual.sha256) == (file.size, file.sha256)
    return FileStatus.ACTIVE if right else FileStatus.DAMAGED


def require_judged(file: FileAttributes, at: datetime) -> None:
    """Raise `FileDeleted` or `FileExpired` for a file that has ended by `at`."""
    status = file.status_at(at)
    if status is FileStatus.DELETED:
        raise FileDeleted("the file was deleted")
    if status is FileStatus.EXPIRED:
        raise FileExpired("the file has expired")


def status_after(file: FileAttributes, actual: Actual | None) -> FileStatus:
    """The status that a file gets for these bytes. One whose damaged bytes were set aside stays damaged."""
    status = judged(file, actual)
    if status is FileStatus.MISSING and file.status is FileStatus.DAMAGED:
        return FileStatus.DAMAGED
    return status


def marked(present: Document, examined: Document, actual: Actual | None, at: datetime) -> Document:
    """The document after its bytes were judged; `present` itself if nothing changes.

    `examined`: as it was when the bytes were read. If it has changed since, they prove nothing. Raises
    `StorageUnavailable` if newer software wrote it.
    """
    file = present.attributes
    status = status_after(file, actual)
    if not same(present, examined) or file.status not in JUDGED or status is file.status:
        return present
    damage = {"found_at": write_time(at), "actual_sha256": actual.sha256 if actual else None}
    return _with(present, status, at, {} if status is FileStatus.ACTIVE else {DAMAGE: damage})


def finding_of(found: Verified, path: str) -> Finding | None:
    """What is to be told of a file at `path` after it was read again; None if it is well."""
    if found.outcome is FileStatus.MISSING:
        return Finding(Issue.MISSING, path, found.file.file_id, "there are no bytes beside its attributes")
    if found.outcome is FileStatus.DAMAGED:
        where = "are in the quarantine" if found.actual_sha256 is None else "were marked, and are not served"
        detail = f"its bytes are not those of its attributes; they {where}"
        return Finding(Issue.MISMATCH, path, found.file.file_id, detail)
    return None


def restored(found: Document, at: datetime) -> Document:
    """The document of a file that comes back with its right bytes. One that had ended stays ended."""
    status = found.attributes.status
    return _with(found, FileStatus.ACTIVE if status in JUDGED else status, at, {})


def same(one: Document, other: Document) -> bool:
    """Whether nothing was done to the file in between."""
    a, b = one.attributes, other.attributes
    return (a.revision, a.epoch, a.status) == (b.revision, b.epoch, b.status)


def came_back(existing: Document, found: Document) -> bool:
    """Whether a file is the one that these attributes, from the quarantine, became."""
    file = existing.attributes
    became = replace(
        found.attributes, revision=file.revision, epoch=file.epoch, status=file.status, updated_at=file.updated_at
    )
    return file == became and file.revision == found.attributes.revision + 1


def _with(document: Document, status: FileStatus, at: datetime, damage: dict[str, object]) -> Document:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    file = document.attributes
    after = document.changed(replace(file, status=status, revision=file.revision + 1, updated_at=at))
    kept = {name: value for name, value in document.unknown.items() if name != DAMAGE}
    return replace(after, unknown={**kept, **damage})
