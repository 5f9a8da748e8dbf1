"""What a page of an element's listing means for the registry, and when too much of it has gone to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum, auto
from operator import lt
from typing import Any

from services.admin.domain.registry import Entry, supersedes_as
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId

MOST_GONE = 1_000
"""Files that a sync marks missing without being told that this is right."""
SHARE_GONE = 100
"""The same as a part of the element's files: one in so many."""
FEW_GONE = 3
"""So many may go from a small element, where they are more than that part; but never all of it."""
EXAMPLES = 10
"""Files of each kind that a result names."""

_ENDED = frozenset({FileStatus.DELETED, FileStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class Place:
    """A file in the order in which elements list theirs: by upload, then by id."""

    uploaded_at: datetime
    file_id: FileId


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry has of a file."""

    file_id: FileId
    element_id: ElementId
    revision: int
    status: FileStatus
    epoch: int
    updated_at: datetime
    sha256: str

    @property
    def expected(self) -> bool:
        """Whether its element should list it: what has ended may have been destroyed since."""
        return self.status not in _ENDED and self.status is not FileStatus.MISSING


class Standing(Enum):
    """How what an element says of a file stands to the registry's row."""

    NEW = auto()
    """There is no row."""
    LATER = auto()
    """It replaces the row, whoever says it and whenever: `domain.registry.supersedes`."""
    SAME = auto()
    """The row says so already, or comes from another element and counts as much or more."""
    OTHER = auto()
    """The row has that revision from the same element, but of another history: the disk was restored from a backup,
    and has been written to since."""
    EARLIER = auto()
    """The row has a later revision from the same element."""


def standing(entry: Entry, row: Known | None) -> Standing:
    """`OTHER` and `EARLIER` prove nothing before the element, asked after the row was read, has said so again.

    Within one history a disk never goes back: who reads it later finds the row's revision, or a later one. Epoch and
    time tell apart two histories that have come to the same revision.
    """
    if row is None:
        return Standing.NEW
    file = entry.file
    if supersedes_as(file.revision, file.status, row.revision, row.status):
        return Standing.LATER
    if row.element_id != entry.element_id:
        return Standing.SAME
    if file.revision < row.revision:
        return Standing.EARLIER
    return Standing.SAME if _is_said_by(row, file) else Standing.OTHER


def _is_said_by(row: Known, file: FileAttributes) -> bool:
    return (
        (row.epoch == file.epoch and row.sha256 == file.sha256 and row.status is file.status)
        and (row.updated_at == file.updated_at or _to_the_millisecond(row.updated_at) == file.updated_at)
    )  # fmt: skip


@dataclass(slots=True)
class Comparison:
    """A page beside the rows that belong to it."""

    new: list[Entry] = field(default_factory=list)
    newer: list[Entry] = field(default_factory=list)
    same: int = 0
    doubtful: list[Known] = field(default_factory=list)
    """Rows of this element that know a later revision than it lists, or another history."""
    elsewhere: list[FileId] = field(default_factory=list)
    """Files that the registry has on another element, too."""
    absent: list[Known] = field(default_factory=list)
    """Rows of this element that it does not list."""
    expected: int = 0
    """Rows of this element that it should list."""


def compare(element_id: ElementId, page: Sequence[FileAttributes], rows: Sequence[Known]) -> Comparison:
    """`rows`: of the files of the page, and all of this element in the stretch that the page covers."""
    found, known = Comparison(), {row.file_id: row for row in rows}
    listed = {file.file_id: file for file in page}
    for file in listed.values():
        _place(found, Entry(element_id, file), known.get(file.file_id))
    own = [row for row in rows if row.element_id == element_id and row.expected]
    found.expected = len(own)
    found.absent = [row for row in own if row.file_id not in listed]
    return found


def _place(found: Comparison, entry: Entry, row: Known | None) -> None:
    if row is None:
        found.new.append(entry)
        return
    if row.element_id != entry.element_id:
        found.elsewhere.append(row.file_id)
    match standing(entry, row):
        case Standing.LATER:
            found.newer.append(entry)
        case Standing.SAME:
            found.same += 1
        case _:
            found.doubtful.append(row)


@dataclass(slots=True)
class Tally:
    """What a sync has done so far; its result in the end."""

    listed: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    """Marked so: the element knows nothing of them."""
    ended: int = 0
    """Found deleted or expired, and destroyed since."""
    elsewhere: int = 0
    """On another element, too; the later revision counts."""
    older: int = 0
    """The registry knows a later revision than the element has."""
    differing: int = 0
    """The registry knew another history of the file up to the same revision; the element is believed."""
    unfit: int = 0
    """Listed with values that no document has; left out."""
    unreadable: int = 0
    """Known to the registry and there, but the element cannot read what it is."""
    expected: int = 0
    """Rows that the element should list."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, kind: str, files: Sequence[str]) -> None:
        """Keep some of these as examples."""
        if files:
            kept = self.examples.setdefault(kind, [])
            kept += files[: EXAMPLES - len(kept)]

    def add(self, other: Tally) -> None:
        """And what another part of it has done."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, files in other.examples.items():
            self.tell(kind, files)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Tally:
        """What `to_json` has written, whichever version did."""
        return cls(**{name: values[name] for name in (*_COUNTS, "examples") if name in values})


_COUNTS = [each.name for each in fields(Tally) if each.name != "examples"]


def too_many_gone(gone: int, expected: int) -> bool:
    """Whether so many of the files that should be there have gone that somebody must look first."""
    if gone > MOST_GONE or (gone > 1 and gone == expected):
        return True
    return gone > max(FEW_GONE, expected // SHARE_GONE)


def in_order(page: Sequence[FileAttributes], after: Place | None) -> bool:
    """Whether a page goes on where the one before it ended: times count to the millisecond, as elements keep them."""
    keys = [_key(after.uploaded_at, after.file_id)] if after else []
    keys += [_key(file.uploaded_at, file.file_id) for file in page]
    return all(map(lt, keys, keys[1:]))


def _key(uploaded_at: datetime, file_id: FileId) -> tuple[datetime, FileId]:
    return (_to_the_millisecond(uploaded_at), file_id)


def _to_the_millisecond(time: datetime) -> datetime:
    """As elements write times."""
    finer = time.microsecond % 1000
    return time - timedelta(microseconds=finer) if finer else time
