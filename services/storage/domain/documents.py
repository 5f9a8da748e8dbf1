"""`*.attr.json`: a file's attributes as they lie beside it, schema version 1. The only source of truth.

    {"schema_version":1,"file_id":"0198…","revision":3,"epoch":12,
     "original_filename":"Договор №7.pdf","storage_filename":"Договор №7_sa_scanner_x1_20261121T013000_0198….pdf",
     "content_type":"application/pdf","size":1048576,"sha256":"9f86d08…",
     "uploaded_by":"sa_scanner_x1","uploaded_at":"2026-11-21T01:30:00.123Z","updated_at":"…",
     "description":"…","tags":["договор","2026"],"metadata":{"counterparty":"…"},
     "retention_policy":"temporary","ttl_days":30,"expires_at":"…",
     "status":"active","deleted_at":null,"deleted_by":null,
     "attr_sha256":"…"}

Written on one line, without the spaces shown here. `ttl_days` may have a fraction (90 seconds are 0.00104…); for
permanent files `ttl_days` and `expires_at` are null. Version 1 also reserves the names `holds`, `retain_until` and
`damage`. Members that this software does not know are kept as they are. A lower version would be upgraded when read
and written with the next change (there is none yet); a higher one is served, but not changed.

A document has at most 4096 bytes, and a caller may fill 3584 of them. The rest is room for what the system adds later:
`caller_bytes` counts a document as if nothing had happened to it yet, and what may happen takes less than the
difference (a test adds it up), so that no delete ever fails because somebody wrote a long description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from services.model.errors import MetadataTooLarge, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileStatus, JsonObject, RetentionPolicy
from services.model.ids import FileId, Subject, parse_file_id
from services.storage.domain.seal import CorruptDocument, seal, unseal
from services.storage.domain.written import Written, written

SCHEMA_VERSION = 1
MAX_BYTES = 4096
MAX_CALLER_BYTES = 3584
MAX_DELETER_BYTES = 240
"""Of `deleted_by`, as JSON. A longer subject is cut: whoever may delete can, however long the name."""
MAX_DEPTH = 32
"""Levels of nesting in user metadata: readers of JSON differ in how deep they follow, and 4 KiB could hold 2,000."""

_BARE_BYTES = 1100
"""More than a document takes that says nothing of its own; a test knows how much more."""
_LONGEST_CHARACTER = 6
"""Bytes, of a control character as JSON escapes it."""
_AROUND_TEXT = 3
"""Bytes: quotes and a comma."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's attributes and what only the disk knows of them."""

    attributes: FileAttributes
    storage_filename: str
    schema_version: int = SCHEMA_VERSION
    unknown: JsonObject = field(default_factory=dict)
    """Members that this software does not know."""

    def changed(self, attributes: FileAttributes) -> Document:
        """The document with new attributes. Raises `StorageUnavailable` if newer software wrote this one."""
        if self.schema_version > SCHEMA_VERSION:
            raise StorageUnavailable("the file's attributes were written by a newer version, this one only reads them")
        return replace(self, attributes=attributes, schema_version=SCHEMA_VERSION)


def encode(document: Document) -> bytes:
    """The text of a document. Raises `MetadataTooLarge` above `MAX_BYTES`, which `check_room` rules out."""
    text = seal(_members(document))
    if len(text) > MAX_BYTES:
        raise MetadataTooLarge(f"the file's attributes have {len(text)} bytes; at most {MAX_BYTES} are kept")
    return text


def decode(text: bytes) -> Document:
    """The document that `text` holds. Raises `CorruptDocument`."""
    try:
        return _as_written(written(text))
    except (CorruptDocument, ValueError, TypeError, OverflowError):
        return document_of(unseal(text))


def document_of(members: Mapping[str, Any]) -> Document:
    """The document with these members. Raises `CorruptDocument`."""
    try:
        return _document(dict(members))
    except (KeyError, ValueError, TypeError, OverflowError, ValidationFailed) as error:
        raise CorruptDocument(f"it is not a document of version {SCHEMA_VERSION}: {error!r}") from None


def check_room(attributes: FileAttributes, unknown: JsonObject | None = None) -> None:
    """Raise `MetadataTooLarge` if callers have said more than fits, `ValidationFailed` if metadata nest too deeply."""
    for name, value in (("metadata", attributes.metadata), ("unknown", unknown or {})):
        if _depth(value) > MAX_DEPTH:
            raise ValidationFailed.of(name, f"must not be nested deeper than {MAX_DEPTH} levels")
    if not unknown and _fits_anyhow(attributes):
        return
    length = caller_bytes(attributes, unknown)
    if length > MAX_CALLER_BYTES:
        raise MetadataTooLarge(
            f"name, description, tags and metadata make {length} bytes of attributes; at most {MAX_CALLER_BYTES} fit"
        )


def _fits_anyhow(a: FileAttributes) -> bool:
    """Whether it need not be written out to see that it fits: if every character took as much room as one can."""
    if a.metadata:
        return False
    texts = (a.original_filename, a.content_type, a.uploaded_by, a.description, *a.tags)
    return _BARE_BYTES + _LONGEST_CHARACTER * sum(map(len, texts)) + _AROUND_TEXT * len(a.tags) <= MAX_CALLER_BYTES


def caller_bytes(attributes: FileAttributes, unknown: JsonObject | None = None) -> int:
    """How long the document is as its caller made it: the same before the first byte of content as after a deletion.

    Size and names count at their longest, revision, epoch, status and deletion at their shortest.
    """
    plain = replace(
        attributes, size=2**63 - 1, sha256="0" * 64, revision=1, epoch=0,
        status=FileStatus.ACTIVE, deleted_at=None, deleted_by=None,
    )  # fmt: skip
    kept = {name: value for name, value in (unknown or {}).items() if name != "damage"}
    return len(seal(_members(Document(plain, "x" * 200, unknown=kept))))


def names_of(attributes: FileAttributes) -> frozenset[str]:
    """The members of a document that this software gives a meaning to."""
    return frozenset(_members(Document(attributes, "x")))


def deleter(subject: Subject) -> Subject:
    """Who deleted a file, as short as the room kept for it. Control characters are replaced: they escape to six."""
    shown = "".join(c if c.isprintable() and c not in '"\\' else "_" for c in subject)
    return Subject(shown.encode()[:MAX_DELETER_BYTES].decode(errors="ignore"))


def _members(document: Document) -> dict[str, Any]:
    a = document.attributes
    return {
        "schema_version": document.schema_version,
        "file_id": a.file_id,
        "revision": a.revision,
        "epoch": a.epoch,
        "original_filename": a.original_filename,
        "storage_filename": document.storage_filename,
        "content_type": a.content_type,
        "size": a.size,
        "sha256": a.sha256,
        "uploaded_by": a.uploaded_by,
        "uploaded_at": write_time(a.uploaded_at),
        "updated_at": write_time(a.updated_at),
        "description": a.description,
        "tags": list(a.tags),
        "metadata": a.metadata,
        "retention_policy": a.retention_policy.value,
        "ttl_days": _write_ttl(a.ttl),
        "expires_at": write_time(a.expires_at),
        "status": a.status.value,
        "deleted_at": write_time(a.deleted_at),
        "deleted_by": a.deleted_by,
        **document.unknown,
    }


def _as_written(found: Written) -> Document:
    attributes = FileAttributes(
        file_id=FileId(found.file_id),
        revision=found.revision,
        epoch=found.epoch,
        original_filename=found.original_filename,
        content_type=found.content_type,
        size=found.size,
        sha256=found.sha256,
        uploaded_by=Subject(found.uploaded_by),
        uploaded_at=_time(found.uploaded_at),
        updated_at=_time(found.updated_at),
        description=found.description,
        tags=found.tags,
        metadata=found.metadata,
        retention_policy=found.retention_policy,
        ttl=None if found.ttl_days is None else _days(found.ttl_days),
        expires_at=None if found.expires_at is None else _time(found.expires_at),
        status=found.status,
        deleted_at=None if found.deleted_at is None else _time(found.deleted_at),
        deleted_by=None if found.deleted_by is None else Subject(found.deleted_by),
    )
    return Document(attributes, _plain_name(found.storage_filename), found.schema_version)


def _document(members: dict[str, Any]) -> Document:
    take = members.pop
    version = _whole(take("schema_version"), 1)
    deleted_by = take("deleted_by")
    attributes = FileAttributes(
        file_id=_file_id(take("file_id")),
        revision=_whole(take("revision"), 1),
        epoch=_whole(take("epoch"), 0),
        original_filename=_text(take("original_filename")),
        content_type=_text(take("content_type")),
        size=_whole(take("size"), 0),
        sha256=_digest(take("sha256")),
        uploaded_by=Subject(_text(take("uploaded_by"))),
        uploaded_at=_time(take("uploaded_at")),
        updated_at=_time(take("updated_at")),
        description=_text(take("description")),
        tags=tuple(_text(tag) for tag in _list(take("tags"))),
        metadata=_object(take("metadata")),
        retention_policy=RetentionPolicy(take("retention_policy")),
        ttl=_ttl(take("ttl_days")),
        expires_at=_time_or_none(take("expires_at")),
        status=FileStatus(take("status")),
        deleted_at=_time_or_none(take("deleted_at")),
        deleted_by=None if deleted_by is None else Subject(_text(deleted_by)),
    )
    return Document(attributes, _plain_name(take("storage_filename")), version, members)


def _depth(value: object) -> int:
    """Levels of nesting, counted no further than one above `MAX_DEPTH`; by a loop, since recursion is the danger."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner: list[object] = []
        for item in level:
            if isinstance(item, Mapping):
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
        depth += any(isinstance(item, Mapping | list | tuple) for item in level)
        level = inner
    return depth


def write_time(value: datetime | None) -> str | None:
    """UTC to the millisecond, as RFC 3339 writes it; always 24 characters."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _write_ttl(ttl: timedelta | None) -> int | float | None:
    if ttl is None:
        return None
    days, rest = divmod(ttl, _DAY)
    return ttl / _DAY if rest else days


def _ttl(days: Any) -> timedelta | None:
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int | float):
        raise TypeError("ttl_days is not a number")
    return _days(days)


@lru_cache(128)
def _days(days: float) -> timedelta:
    return timedelta(days=days)


def _time(text: Any) -> datetime:
    value = datetime.fromisoformat(_text(text))
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("a time has no zone")
    return value.astimezone(UTC)


def _time_or_none(text: Any) -> datetime | None:
    return None if text is None else _time(text)


def _file_id(text: Any) -> FileId:
    return parse_file_id(_text(text))


def _digest(text: Any) -> str:
    if not isinstance(text, str) or len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError("sha256 is not 64 hexadecimal digits")
    return text


def _plain_name(text: Any) -> str:
    """A name within the folder: a document, however it came to be there, never points anywhere else."""
    name = _text(text)
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise ValueError("storage_filename is not a name")
    return name


def _whole(value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise ValueError("a number is out of its range")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _object(value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value
