"""Rows of the index, and how they are written."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from services.model.feed import Destroyed
from services.model.files import FileStatus
from services.model.ids import FileId, Subject
from services.storage.domain.documents import Document
from services.storage.domain.glance import Glance

_PUT = """
INSERT INTO files VALUES {rows}
ON CONFLICT (file_id) DO UPDATE SET storage_filename = excluded.storage_filename, uploaded_ms = excluded.uploaded_ms,
    status = excluded.status, size = excluded.size, revision = excluded.revision, expires_ms = excluded.expires_ms
WHERE excluded.revision >= files.revision
"""
_ROW = "(?, ?, ?, ?, ?, ?, ?)"
TOGETHER = 500
"""Rows that one statement takes in a rebuild. SQLite works on a statement with Python's lock let go, and once: taking
the lock again for each row costs more than the row. The oldest SQLite that takes this many values is 3.32."""
_PUT_MANY = _PUT.format(rows=", ".join([_ROW] * TOGETHER))
_PUT = _PUT.format(rows=_ROW)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")

Columns = tuple[bytes, str, int, str, int, int, int | None]
LineColumns = tuple[bytes, int, str, str, str | None, int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """Where a file lies, and in which state it was when that was written down."""

    file_id: FileId
    storage_filename: str
    uploaded_ms: int
    status: str
    revision: int


def put_all(connection: sqlite3.Connection, rows: list[Columns]) -> None:
    """Take note of documents; an older revision changes nothing."""
    whole = len(rows) - len(rows) % TOGETHER
    for first in range(0, whole, TOGETHER):
        connection.execute(_PUT_MANY, [*chain.from_iterable(rows[first : first + TOGETHER])])
    connection.executemany(_PUT, rows[whole:])


def key_of(file_id: FileId) -> bytes:
    """A file's key in every table."""
    return bytes.fromhex(file_id.replace("-", ""))


def of_glance(found: Glance) -> Columns:
    """The row of a document that was glanced at."""
    ends = None if found.expires_at is None else milliseconds(found.expires_at)
    key, at = key_of(FileId(found.file_id)), milliseconds(found.uploaded_at)
    return key, found.storage_filename, at, found.status, found.size, found.revision, ends


def of_document(document: Document) -> Columns:
    """The row of a document."""
    a = document.attributes
    ends = None if a.expires_at is None else milliseconds(a.expires_at)
    name, status = document.storage_filename, a.status.value
    return key_of(a.file_id), name, milliseconds(a.uploaded_at), status, a.size, a.revision, ends


def of_line(line: Destroyed) -> LineColumns:
    """The row of a line of the destroyed log."""
    ended, destroyed = milliseconds(line.ended_at), milliseconds(line.destroyed_at)
    return key_of(line.file_id), line.size, line.sha256, line.why.value, line.by, ended, destroyed


def line_of(columns: LineColumns) -> Destroyed:
    """The line that a row holds."""
    key, size, sha256, why, by, ended, destroyed = columns
    subject = None if by is None else Subject(by)
    return Destroyed(id_of(key), size, sha256, FileStatus(why), subject, moment_of(ended), moment_of(destroyed))


def id_of(key: bytes) -> FileId:
    """Whose key it is."""
    text = key.hex()
    return FileId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def milliseconds(moment: datetime) -> int:
    """Since 1970, cut."""
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def moment_of(at: int) -> datetime:
    """The instant so many milliseconds after 1970."""
    return _EPOCH + timedelta(milliseconds=at)


def row_of(columns: tuple[bytes, str, int, str, int]) -> Row:
    """What the index tells of a file."""
    key, storage_filename, uploaded_ms, status, revision = columns
    return Row(id_of(key), storage_filename, uploaded_ms, status, revision)
