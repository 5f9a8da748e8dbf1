"""What garbage collection may do, and whether the clock can be believed. Pure decisions.

Nothing that is kept is ever removed by a clock that jumped. A pass does nothing at all if wall time has run more than
5 minutes further than the monotonic clock since the pass before, or lies more than 7 days after the last pass that is
written down in `gc.json` (after a reboot there is no other witness). It waits until the clock is right again, or until
somebody says that it is.

A draft whose bytes are damaged or missing ends in its time like any other: its attributes, whose seal is checked, say
when, and a draft that cannot be read any more is no reason to keep what had to disappear. What cannot be trusted are
attributes whose seal does not fit: nothing follows from them, and their file stays. Bytes that were set aside stay in
the quarantine until somebody removes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.model.feed import Destroyed
from services.model.files import FileAttributes, FileStatus
from services.storage.domain.documents import SCHEMA_VERSION, Document

MAX_DRIFT = timedelta(minutes=5)
"""By which wall time may run ahead of the monotonic clock between two passes of one process."""
MAX_PAUSE = timedelta(days=7)
"""By which wall time may lie ahead of the last pass that was written down."""
KEEPING = ("holds", "retain_until")
"""Members that version 1 reserves: whoever sets one of them wants the file kept, whatever else is said."""
ENDED = frozenset({FileStatus.DELETED, FileStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one moment."""

    wall: datetime
    monotonic: float
    """Seconds."""


def doubt(now: Reading, *, before: Reading | None, written: datetime) -> str:
    """Why the clock cannot be believed; empty if it can.

    `before`: the pass before in this process; `written`: the last one that is written down, by whatever process.
    """
    if before is not None:
        ahead = (now.wall - before.wall) - timedelta(seconds=now.monotonic - before.monotonic)
        if ahead > MAX_DRIFT:
            return f"the clock was set forward by {ahead}"
    pause = now.wall - written
    return f"the clock is {pause} ahead of the last collection" if pause > MAX_PAUSE else ""


def expired(document: Document, at: datetime) -> FileAttributes:
    """The attributes after a file's end was written down; those themselves if there is nothing to write."""
    file = document.attributes
    if file.status in ENDED or file.expires_at is None or at < file.expires_at or _kept(document):
        return file
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return replace(file, revision=file.revision + 1, updated_at=at, status=FileStatus.EXPIRED)


def destruction(document: Document, at: datetime, grace: timedelta) -> Destroyed | None:
    """The line that says what is destroyed at `at`; None if the file stays."""
    file = document.attributes
    if file.status not in ENDED or _kept(document):
        return None
    # An expired file's grace begins when that was written down, so that there is one even after a long pause.
    ended_at = (file.deleted_at if file.status is FileStatus.DELETED else None) or file.updated_at
    if ended_at + grace > at:
        return None
    by = file.deleted_by if file.status is FileStatus.DELETED else None
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return Destroyed(file.file_id, file.size, file.sha256, file.status, by, ended_at, at)


def _kept(document: Document) -> bool:
    return document.schema_version > SCHEMA_VERSION or any(document.unknown.get(name) for name in KEEPING)
