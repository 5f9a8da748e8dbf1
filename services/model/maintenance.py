"""What passes over a storage element did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, QuarantineId


@dataclass(slots=True)
class Collected:
    """A pass of garbage collection."""

    expired: int = 0
    """Files whose end was written down."""
    destroyed: int = 0
    freed: int = 0
    """Bytes of the files that were destroyed."""
    failed: int = 0
    """Files that could not be judged; they stay."""
    refused: str = ""
    """Why nothing was done at all; empty if the pass was made."""
    lag: timedelta = field(default=timedelta(0), compare=False)
    """For how long the one that waited longest had been due; known on the element only."""


class Issue(StrEnum):
    """What can be wrong on an element's disk."""

    ORPHANED = "orphaned"
    """Bytes without attributes."""
    MISSING = "missing"
    """Attributes without bytes."""
    MISMATCH = "mismatch"
    """Bytes that do not have the size or the digest that the attributes name."""
    CORRUPT = "corrupt"
    """Attributes that cannot be trusted: their seal does not fit, or they speak of another file."""
    DUPLICATE = "duplicate"
    """Further attributes of a file that has some already."""
    SYMLINK = "symlink"
    """A symbolic link; it is never followed."""
    FOREIGN = "foreign"
    """Something that no element makes, or that lies where none would look for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a reconciliation found."""

    issue: Issue
    path: str
    """From the element's `files` folder on; for administrators only."""
    file_id: FileId | None
    detail: str
    """In words: what exactly, and what was done about it."""
    set_aside: QuarantineId | None = None
    """Where it is now, if it was moved to the quarantine."""


@dataclass(frozen=True, slots=True)
class ReconcileProgress:
    """How far a reconciliation has come."""

    done: int
    """Files looked at."""
    total: int
    """Files that there were to look at when it began, as far as was known."""
    issues: int


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What a reconciliation found and did."""

    started_at: datetime
    finished_at: datetime
    thorough: bool
    """Whether every byte was read; else only sizes were compared."""
    files: int
    """Files looked at."""
    counts: Mapping[Issue, int]
    """Every kind, those that were not found with 0."""
    findings: tuple[Finding, ...]
    """The first of them."""
    omitted: int
    """Findings that are counted above and not listed."""
    corrected: int
    """Rows of the index that did not tell what the disk does, and do now."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading a file again has shown."""

    file: FileAttributes
    """As it is now: a status that was wrong has been corrected."""
    outcome: FileStatus
    """ACTIVE: its bytes are right. DAMAGED: they are not. MISSING: there are none."""
    actual_size: int | None
    """Of the bytes that lie at its place; None if there are none."""
    actual_sha256: str | None
    verified_at: datetime


@dataclass(slots=True)
class Scrubbed:
    """A pass of the scrub, or as much of it as there was to do."""

    files: int = 0
    """Files read."""
    size: int = 0
    """Bytes read."""
    damaged: int = 0
    """Files that were found damaged, not those that were known."""
    missing: int = 0
    restored: int = 0
    """Files whose right bytes were there again."""
    corrupt: int = 0
    """Files whose attributes cannot be trusted."""
    failed: int = 0
    """Files that could not be judged."""
    complete: bool = False
    """Whether every file of the element has been read since the round began."""


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """How far a pass of the scrub has come."""

    done: int
    """Files whose turn it was."""
    total: int
    """Files that there were to read when it began, as far as was known."""
    size: int
    """Bytes read."""
    issues: int


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a pass of the scrub found."""

    started_at: datetime
    finished_at: datetime
    files: int
    """Files read."""
    size: int
    """Bytes read."""
    counts: Mapping[Issue, int]
    """Every kind, what was known before included; the scrub finds only MISMATCH, MISSING and CORRUPT."""
    findings: tuple[Finding, ...]
    """The first of them."""
    omitted: int
    """Findings that are counted above and not listed."""
    restored: int
    """Files whose right bytes were there again."""
    failed: int
    """Files that could not be judged."""


@dataclass(frozen=True, slots=True)
class QuarantineItem:
    """Something that was set aside."""

    item_id: QuarantineId
    kind: str
    """damaged, orphaned, corrupt, duplicate or foreign."""
    set_aside_at: datetime
    file_id: FileId | None
    """Of the file that it was, where its name tells."""
    path: str
    """Where it lay, from the element's folder on; empty if nobody wrote that down."""
    names: tuple[str, ...]
    """What lies in it."""
    size: int
    """Bytes of all of that."""
    reason: str
    """In words."""
    expected_sha256: str
    """Empty where none is known; so with the next."""
    actual_sha256: str
