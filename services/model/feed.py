"""What an element tells of the changes to it: each has a number, and numbers mean something only within one feed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.model.elements import Mode
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, Subject
from services.model.paging import Page


class ChangeKind(StrEnum):
    """What happened."""

    CREATED = "created"
    UPDATED = "updated"
    """Description, tags or metadata."""
    DELETED = "deleted"
    EXPIRED = "expired"
    """The end of a file was written down; it had not been served since then anyhow."""
    DAMAGED = "damaged"
    MISSING = "missing"
    RESTORED = "restored"
    """Damaged or missing no more."""
    PURGED = "purged"
    """The file was destroyed."""
    MODE_CHANGED = "mode_changed"
    """Of the element as a whole."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far somebody knows a feed: this change and all before it."""

    feed_id: str
    """Opaque. Another one: what was known of the element's changes says nothing any more."""
    number: int
    """Of the last change that is known; 0 before the first."""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A line of an element's destroyed log."""

    file_id: FileId
    size: int
    sha256: str
    why: FileStatus
    """DELETED or EXPIRED."""
    by: Subject | None
    """Who deleted it; None for one that expired."""
    ended_at: datetime
    """When it was deleted, or was written down as expired."""
    destroyed_at: datetime


@dataclass(frozen=True, slots=True)
class ModeChange:
    """An element's mode, and who made it so."""

    mode: Mode
    revision: int
    changed_at: datetime
    changed_by: Subject


@dataclass(frozen=True, slots=True)
class Change:
    """One change. What it is about is told as it is when the change is sent, later changes included.

    Exactly one of `file`, `destroyed` and `mode` is set, but that a file may be none any more, or be unreadable: then
    only its id is known. Where it was destroyed since, that change follows.
    """

    number: int
    kind: ChangeKind
    file_id: FileId | None
    """None for a change of the mode."""
    file: FileAttributes | None = None
    destroyed: Destroyed | None = None
    mode: ModeChange | None = None


@dataclass(frozen=True, slots=True)
class FileListing(Page[FileAttributes]):
    """A page of an element's files."""

    position: FeedPosition | None = None
    """On the first page, and only where there is a feed: every change that the listing may lack comes after it."""


@dataclass(frozen=True, slots=True)
class DocumentListing(Page[bytes]):
    """The same, each file as its attribute file lies on the disk."""

    position: FeedPosition | None = None


@dataclass(frozen=True, slots=True)
class DestroyedPage:
    """A part of what an element has destroyed, in the order of destruction."""

    items: tuple[Destroyed, ...]
    next_cursor: str = ""
    """Empty on the last page."""
