"""What a name in a folder below `files/` stands for. Pure decisions.

The folders are years, months, days and hours; in the folder of an hour lie files whose ids were made in it, each with
its attributes. Everything else is foreign: it is told, and left where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import Protocol, TypeVar

from services.model.ids import FileId
from services.model.maintenance import Issue
from services.storage.domain.documents import Document
from services.storage.domain.names import ATTRIBUTES_SUFFIX, file_id_in, file_id_of, folder_of

_LEVELS = (
    re.compile(r"\d{4}"),
    re.compile(r"0[1-9]|1[0-2]"),
    re.compile(r"0[1-9]|[12]\d|3[01]"),
    re.compile(r"[01]\d|2[0-3]"),
)
DEPTH = len(_LEVELS)
"""Folders above a file."""
NFS_REMAINS = ".nfs"
"""Beginning of the name of a file that NFS keeps because somebody has it open still."""


class _Named(Protocol):
    """Something in a folder."""

    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


class Role(Enum):
    """What a name stands for in the folder of an hour."""

    ATTRIBUTES = "attributes"
    DATA = "data"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class Strange:
    """Something that is not as it should be."""

    issue: Issue
    path: str
    """From the folder of all files on."""
    detail: str
    file_id: FileId | None = None
    beside: str = ""
    """Name of the data beside attributes, which go with them; empty if there are none."""
    unread: bool = False
    """The disk does not give it: nobody knows what it is, so it stays."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file whose attributes can be trusted."""

    document: Document
    size: int | None
    """Of its bytes; None if there are none."""


@dataclass(slots=True)
class Surveyed:
    """What lies in one folder."""

    folder: str
    seen: list[Seen] = field(default_factory=list)
    strange: list[Strange] = field(default_factory=list)


def role(name: str, folder: str) -> tuple[Role, FileId | None]:
    """What a file of that name stands for in the folder of an hour, and the id in its name."""
    attributes, file_id = name.endswith(ATTRIBUTES_SUFFIX), id_in(name)
    if file_id is None or not _lies_in(file_id, folder):
        return Role.STRANGE, file_id
    return Role.ATTRIBUTES if attributes else Role.DATA, file_id


def id_in(name: str) -> FileId | None:
    """The id in the name of a file or of its attributes."""
    return file_id_in(name) if name.endswith(ATTRIBUTES_SUFFIX) else file_id_of(name)


def part_of(name: str, parts: int) -> int:
    """Which of so many parts of a folder a name is looked at with: one of all names of an id."""
    file_id = id_in(name) if parts > 1 else None
    return int(file_id[-8:], 16) % parts if file_id else 0


def in_turn(names: Iterable[Named], some: int) -> Iterator[list[Named]]:
    """So many at a time, or a few more: all that have the same id are together, since they are compared."""
    ids = sorted(((id_in(each.name) or "", each) for each in names), key=lambda pair: pair[0])
    batch: list[Named] = []
    for _, same in groupby(ids, key=lambda pair: pair[0]):
        batch += [each for _, each in same]
        if len(batch) >= some:
            yield batch
            batch = []
    if batch:
        yield batch


def is_level(name: str, depth: int) -> bool:
    """Whether a folder of that name belongs below `depth` others."""
    return depth < DEPTH and _LEVELS[depth].fullmatch(name) is not None


def foreign(path: str, file_id: FileId | None = None) -> Strange:
    """A file that no element makes, or that lies where none would look for it."""
    name = path.rpartition("/")[2]
    if name.startswith(NFS_REMAINS):
        detail = "NFS keeps it because somebody has it open"
    elif file_id is not None:
        detail = f"its name belongs into the folder {_folder(file_id)}"
    else:
        detail = "no storage element makes such a name"
    return Strange(Issue.FOREIGN, path, detail, file_id)


def kept_of(documents: Sequence[Seen]) -> Seen:
    """Of several attributes of one file the one that counts, as a look-up finds it: that of the highest revision."""
    return max(documents, key=lambda each: each.document.attributes.revision)


def _lies_in(file_id: FileId, folder: str) -> bool:
    return _folder(file_id) == folder


def _folder(file_id: FileId) -> str:
    try:
        return folder_of(file_id)
    except OverflowError:
        return ""
