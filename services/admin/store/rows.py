"""Between entries and the columns of `admin.files`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from services.admin.domain.registry import Entry
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import FileId, Subject

if TYPE_CHECKING:
    import asyncpg

TYPES = {
    "file_id": "uuid",
    "original_filename": "text",
    "content_type": "text",
    "size": "bigint",
    "sha256": "text",
    "uploaded_by": "text",
    "uploaded_at": "timestamptz",
    "updated_at": "timestamptz",
    "description": "text",
    "retention_policy": "text",
    "ttl": "interval",
    "expires_at": "timestamptz",
    "status": "text",
    "deleted_at": "timestamptz",
    "deleted_by": "text",
    "revision": "bigint",
    "epoch": "bigint",
    "element_id": "uuid",
    "tags": "text[]",
    "metadata": "jsonb",
}
"""The columns that entries fill, and what each is to PostgreSQL."""
AS_TEXT = frozenset({"tags", "metadata"})
"""Those that `columns` gives as text."""

_plain = attrgetter(*[name for name in TYPES if name not in AS_TEXT and name != "element_id"])


def columns(entries: Iterable[Entry]) -> list[Sequence[object]]:
    """The values of each column, to be unnested. An array of arrays would need them of one length, so tags are text."""
    rows = [
        (*_plain(entry.file), entry.element_id, _array(entry.file.tags), _json(entry.file).decode())
        for entry in entries
    ]
    return list(zip(*rows, strict=True)) or [()] * len(TYPES)


def copied(entries: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
    """Rows to be copied into the table, in the order of `TYPES`."""
    return ((*_plain(entry.file), entry.element_id, entry.file.tags, _json(entry.file)) for entry in entries)


def _json(file: FileAttributes) -> bytes:
    """Metadata as JSON, many times faster than `json` writes it; `Entry.check` rules out what the two differ in."""
    return msgspec.json.encode(file.metadata)


def _array(texts: Sequence[str]) -> str:
    """An array of texts as PostgreSQL writes it."""
    quoted = [text.replace("\\", r"\\").replace('"', r"\"") for text in texts]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def file_of(row: asyncpg.Record) -> FileAttributes:
    """The document that a row holds."""
    return FileAttributes(
        file_id=FileId(str(row["file_id"])),
        original_filename=row["original_filename"],
        content_type=row["content_type"],
        size=row["size"],
        sha256=row["sha256"],
        uploaded_by=Subject(row["uploaded_by"]),
        uploaded_at=row["uploaded_at"],
        updated_at=row["updated_at"],
        retention_policy=RetentionPolicy(row["retention_policy"]),
        status=FileStatus(row["status"]),
        description=row["description"],
        tags=tuple(row["tags"]),
        metadata=row["metadata"],
        ttl=row["ttl"],
        expires_at=row["expires_at"],
        deleted_at=row["deleted_at"],
        deleted_by=Subject(row["deleted_by"]) if row["deleted_by"] is not None else None,
        revision=row["revision"],
        epoch=row["epoch"],
    )
