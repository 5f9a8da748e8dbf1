"""The journal's records, and their text in a frame; see the head of this package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from services.model.errors import ValidationFailed
from services.model.feed import ChangeKind
from services.model.ids import ElementUuid, FileId, parse_file_id

EPOCH_SHIFT = 32
"""Numbers of transactions and commits begin with the epoch: epoch · 2³² + n."""


class Op(StrEnum):
    """What a transaction does to a file."""

    CREATE = "create"
    UPDATE = "update"
    """Of the attributes: a user's change, a deletion, an expiry."""
    PURGE = "purge"
    """Data and attributes go for good."""
    MODE = "mode"
    """To no file: `mode.json` is replaced. `old` and `new` are its revisions."""


NO_FILE = FileId("")
"""Of what is about the element as a whole."""
KINDS = {
    Op.CREATE: ChangeKind.CREATED,
    Op.UPDATE: ChangeKind.UPDATED,
    Op.PURGE: ChangeKind.PURGED,
    Op.MODE: ChangeKind.MODE_CHANGED,
}
"""What a transaction is called in the change feed, unless it says more exactly."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A segment."""

    epoch: int
    segment: int


START = Place(0, 0)
"""Before every segment."""


@dataclass(frozen=True, slots=True)
class Head:
    """First in each segment: whose it is."""

    element: ElementUuid
    lineage: str
    place: Place
    applied: int
    spent: Place
    number: int | None
    """Of the last commit before this segment; None: written before there was a feed."""
    at: datetime
    """When the segment was begun."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Durable before anything below `files/` changes."""

    tx: int
    op: Op
    file_id: FileId
    name: str
    """The storage file name: with the id it gives both paths."""
    size: int
    sha256: str
    old: int
    """Revision before; 0 for a file that is made."""
    new: int
    """Revision after; 0 for a file that goes."""
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Commit:
    """Done, and durable on the disk."""

    tx: int
    number: int
    file_id: FileId
    name: str
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Abort:
    """Undone, or never done."""

    tx: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is not needed any more."""

    applied: int
    """The index has this number and all before it, durably."""
    spent: Place
    """Segments before this one."""


Record = Head | Begin | Commit | Abort | Checkpoint


class CorruptRecord(Exception):
    """A frame whose checksum is right holds something that this version does not understand."""


def encode(records: list[Record]) -> bytes:
    """The payload of a frame."""
    return json.dumps([_members(each) for each in records], ensure_ascii=False, separators=(",", ":")).encode()


def decode(payload: bytes) -> list[Record]:
    """The records of a frame. Raises `CorruptRecord`."""
    try:
        return [_record(each) for each in json.loads(payload)]
    except (ValueError, KeyError, TypeError, RecursionError, ValidationFailed) as error:
        raise CorruptRecord(f"a record is not understood: {error!r}") from error


def _members(record: Record) -> dict[str, Any]:
    match record:
        case Begin(tx, op, file_id, name, size, sha256, old, new, kind):
            return {"r": "begin", "tx": tx, "op": op, "file": file_id, "name": name,
                    "size": size, "sha256": sha256, "old": old, "new": new, "kind": kind}  # fmt: skip
        case Commit(tx, number, file_id, name, kind):
            return {"r": "commit", "tx": tx, "number": number, "file": file_id, "name": name, "kind": kind}
        case Abort(tx):
            return {"r": "abort", "tx": tx}
        case Checkpoint(applied, spent):
            return {"r": "checkpoint", "applied": applied, "spent": [spent.epoch, spent.segment]}
        case Head(element, lineage, place, applied, spent, number, at):
            return {"r": "head", "element": element, "lineage": lineage, "epoch": place.epoch,
                    "segment": place.segment, "applied": applied, "spent": [spent.epoch, spent.segment],
                    "number": number, "at": at.astimezone(UTC).isoformat(timespec="milliseconds")}  # fmt: skip


def _record(m: dict[str, Any]) -> Record:
    match m["r"]:
        case "begin":
            op = Op(m["op"])
            kind = ChangeKind(m.get("kind", KINDS[op]))
            return Begin(int(m["tx"]), op, *_file(m, kind), int(m["size"]), str(m["sha256"]), int(m["old"]),
                         int(m["new"]), kind)  # fmt: skip
        case "commit":
            kind = ChangeKind(m.get("kind", ChangeKind.UPDATED))
            return Commit(int(m["tx"]), int(m["number"]), *_file(m, kind), kind)
        case "abort":
            return Abort(int(m["tx"]))
        case "checkpoint":
            return Checkpoint(int(m["applied"]), Place(*map(int, m["spent"])))
        case "head":
            place, number = Place(int(m["epoch"]), int(m["segment"])), m.get("number")
            return Head(
                ElementUuid(str(m["element"])),
                str(m["lineage"]),
                place,
                int(m["applied"]),
                Place(*map(int, m["spent"])),
                None if number is None else int(number),
                datetime.fromisoformat(m["at"]) if "at" in m else LONG_AGO,
            )
        case other:
            raise ValueError(f"record {other!r}")


def _file(m: dict[str, Any], kind: ChangeKind) -> tuple[FileId, str]:
    """Id and name."""
    if kind is ChangeKind.MODE_CHANGED:
        return NO_FILE, ""
    return parse_file_id(m["file"]), _name(m["name"])


def _name(text: Any) -> str:
    """A name within its folder: recovery removes what it names, and nothing elsewhere."""
    if not isinstance(text, str) or not text or text in {".", ".."} or "/" in text or "\0" in text:
        raise ValueError("a storage file name is not a name")
    return text
