"""The index: finds files, for listing and counting. SQLite, local to one process, rebuildable from the disk.

It never decides what a file is: whoever finds a file here reads its attributes from the disk. Counts are kept by
triggers, so that rows and counts change in one transaction.

It counts as complete if a rebuild has ended well, and keeps that mark together with the number of the last commit that
it took note of, element and lineage: rows, number and mark change in one transaction. So a start needs to look only at
what the journal holds after that number. If the index belongs to another lineage, or knows more than the journal or
less than the journal still holds, it is stale and made anew: one restored from a backup, one that stayed behind while
another host led, one beside which the journal was lost.

SQLite's own durability is set to NORMAL with a write-ahead log: after a power cut the last rows may be missing, never
garbled, and the number says so. `settle` makes all of it durable; the journal forgets nothing before that.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from services.chassis.logs import get_logger
from services.model.feed import Destroyed
from services.model.files import FileStatus
from services.model.ids import ElementUuid, FileId
from services.storage.domain.documents import Document
from services.storage.ports import Usage
from services.storage.store.cursors import Position
from services.storage.store.rows import (
    Columns,
    Row,
    id_of,
    key_of,
    line_of,
    milliseconds,
    moment_of,
    of_document,
    of_line,
    put_all,
    row_of,
)
from services.storage.store.tables import EMPTY, FILES, SCHEMA

SCHEMA_VERSION = "5"
FILE_NAME = "index.sqlite"
CHECKPOINT_PAGES = 4000
"""Of 4 KiB, that SQLite's own journal grows to: whoever commits then waits for the disk, with all who ask behind it."""

_EXPIRING = """
SELECT * FROM (
    SELECT expires_ms, file_id FROM files
    WHERE status = 'active' AND expires_ms IS NOT NULL AND expires_ms <= ?1 AND (expires_ms, file_id) > (?2, ?3)
    ORDER BY expires_ms, file_id LIMIT ?4
) UNION ALL SELECT * FROM (
    SELECT expires_ms, file_id FROM files
    WHERE status IN ('damaged', 'missing') AND expires_ms <= ?1 AND (expires_ms, file_id) > (?2, ?3)
    ORDER BY expires_ms, file_id LIMIT ?4
)
ORDER BY expires_ms, file_id LIMIT ?4
"""
_ENDED = """
SELECT file_id FROM files INDEXED BY files_ended
WHERE status IN ('deleted', 'expired') AND file_id > ? ORDER BY file_id LIMIT ?
"""
_WALK = """
SELECT file_id, storage_filename, uploaded_ms, status, revision FROM files WHERE file_id > ? ORDER BY file_id LIMIT ?
"""
# The plus keeps SQLite from the index by status, all of which it would sort for each few rows.
_JUDGED = """
SELECT file_id, max(uploaded_ms, ifnull(at_ms, uploaded_ms)) FROM files LEFT JOIN verified USING (file_id)
WHERE file_id > ? AND +status IN ('active', 'damaged', 'missing') ORDER BY file_id LIMIT ?
"""
BY_ID = (_ENDED, _WALK, _JUDGED)
"""Walks through all files: what a step of them costs must not grow with the number of files."""
_DESTROYED = "INSERT OR REPLACE INTO destroyed VALUES (?, ?, ?, ?, ?, ?, ?)"
_DESTROYED_PAGE = """
SELECT file_id, size, sha256, why, by, ended_ms, destroyed_ms FROM destroyed
WHERE (destroyed_ms, file_id) > (?, ?) AND NOT EXISTS (SELECT 1 FROM files WHERE files.file_id = destroyed.file_id)
ORDER BY destroyed_ms, file_id LIMIT ?
"""
_DESTROYED_LINE = """
SELECT file_id, size, sha256, why, by, ended_ms, destroyed_ms FROM destroyed WHERE file_id = ?
"""
_first = itemgetter(0)
_NOTE = "INSERT OR REPLACE INTO about VALUES (?, ?)"
_WITHOUT_BYTES = frozenset({FileStatus.MISSING})

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})

Args = ParamSpec("Args")
Result = TypeVar("Result")

log = get_logger(__name__)


class _Unreadable(sqlite3.DatabaseError):
    """It was written by another version."""


class IndexFailed(Exception):
    """The index does not answer. No operation on a file fails for it; listing and counting do."""


class Index:
    """One connection, used by one thread at a time."""

    def __init__(self, folder: Path, make_room: Callable[[], bool] = lambda: False) -> None:
        """Open, or make, the index in `folder`. One that cannot be read is made anew.

        `make_room`: asked once when the disk is full for a change; whether it has made some.
        """
        self._make_room = make_room
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self.complete = False
        """Whether it knows every file. Set by `resume` and `rebuilt`."""
        self.resumed = False
        """Whether it is known what it belongs to, and thus whether it is complete."""
        self.applied = 0
        """Number of the last commit that it was told of."""
        self._left = set[bytes]()
        """Keys of files that went while the index is made anew: who read them before must not bring them back."""
        self._generation = 0
        """How often it was emptied."""
        self._gap = False
        """Something since `clear` could not be noted: numbers after it say nothing."""
        self.usage = Usage(files={}, used=0)
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        try:
            self._connection = self._connect()
        except sqlite3.OperationalError:
            raise  # not its content: no permission, no room, in use
        except sqlite3.DatabaseError as error:
            log.warning("the index is unreadable and is made anew", error=str(error))
            element = known_element(folder)
            self._remove()
            self._connection = self._connect()
            if element:
                self._belong_to(element)
        self._count()

    def resume(self, element: ElementUuid, lineage: str, kept: range) -> None:
        """Belong to `element` and `lineage`; complete if nothing is missing, empty otherwise.

        `kept`: from the number that an index must know to the last that was given away, both included.
        """
        about = self._about()
        self.resumed = True
        self.applied = int(about.get("applied", "0"))
        known = about.get("element_uuid"), about.get("lineage"), about.get("complete")
        self.complete = known == (element, lineage, "1") and self.applied in kept
        with self._lock, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            complete = "1" if self.complete else "0"
            connection.executemany(_NOTE, [("element_uuid", element), ("lineage", lineage), ("complete", complete)])
        if not self.complete:
            self.clear()

    def belongs_to(self, element: ElementUuid, lineage: str) -> int | None:
        """The number up to which it knows everything of that lineage; None if it is incomplete, or another's."""
        about = self._about()
        known = about.get("element_uuid"), about.get("lineage"), about.get("complete")
        return int(about.get("applied", "0")) if known == (element, lineage, "1") else None

    def ahead(self, element: ElementUuid, lineage: str | None, last: int) -> bool:
        """Whether it knows of commits after `last` of that history."""
        about = self._about()
        return (about.get("element_uuid"), about.get("lineage")) == (element, lineage) and int(
            about.get("applied", "0")
        ) > last

    def clear(self) -> int:
        """Forget all files: the beginning of a rebuild, which `rebuilt` ends. Raises `IndexFailed`."""
        self.complete = False
        try:
            with self._lock:
                # Not by DELETE: the triggers would count down one by one what goes as a whole.
                self._connection.executescript(f"BEGIN IMMEDIATE;{EMPTY}{FILES}COMMIT;")
                self._gap = False
                self._left.clear()
                self._generation += 1
                self._refresh()
                return self._generation
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error), self._lock:
                self._connection.rollback()
            raise IndexFailed(str(error)) from error

    def rebuilt(self, generation: int) -> None:
        """Every file on the disk has been `put` since the `clear` that returned `generation`. Raises `IndexFailed`."""
        try:
            with self._lock:
                if self._gap or generation != self._generation:
                    raise IndexFailed("something could not be noted meanwhile")
                with self._connection as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(_NOTE, [("complete", "1"), ("applied", str(self.applied))])
                self.complete = True
                self._left.clear()
        except sqlite3.Error as error:
            raise IndexFailed(str(error)) from error

    def put(
        self,
        documents: Iterable[Document],
        *,
        gone: Iterable[FileId] = (),
        destroyed: Iterable[Destroyed] = (),
        applied: int | None = None,
    ) -> None:
        """Take note of documents as they are on the disk, an older revision changes nothing; and of files that went.

        `applied`: the number of the last commit that is known with this. Never raises: a failure marks the index
        incomplete.
        """
        rows, ended = [*map(of_document, documents)], [*destroyed]
        leaving = [key_of(each) for each in (*gone, *(line.file_id for line in ended))]

        def change(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM files WHERE file_id = ?", [(key,) for key in leaving])
            connection.executemany(_DESTROYED, map(of_line, ended))
            put_all(connection, rows)
            if applied is not None and not self._gap:
                connection.execute(_NOTE, ("applied", str(applied)))

        try:
            with self._lock:
                # The number counts even if the rows fail: what a rebuild finds from now on includes them.
                self.applied = self.applied if applied is None else applied
                self._roomy(self._transact, change)
                if not self.complete:
                    self._left.update(leaving)
                self._refresh()
        except sqlite3.Error as error:
            self._failed(error)

    def fill(self, rows: list[Columns]) -> None:
        """Take note of documents as they were on the disk a moment ago, in a rebuild. Never raises, as `put`."""
        rows.sort(key=_first)  # neighbours in the index, too
        try:
            with self._lock, self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                put_all(connection, [row for row in rows if row[0] not in self._left] if self._left else rows)
                self._refresh()
        except sqlite3.Error as error:
            self._failed(error)

    def settle(self) -> bool:
        """Make durable all that was put; False if that failed."""
        try:
            with self._lock:
                return self._roomy(self._checkpoint)
        except sqlite3.Error as error:
            self._failed(error)
            return False

    def get(self, file_id: FileId) -> Row | None:
        """Where a file lies; None if the index does not know, which is no proof that there is none."""
        sql = "SELECT file_id, storage_filename, uploaded_ms, status, revision FROM files WHERE file_id = ?"
        try:
            with self._lock:
                found = self._connection.execute(sql, (key_of(file_id),)).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return None
        return row_of(found) if found else None

    def unknown(self, file_ids: Sequence[FileId]) -> set[FileId]:
        """Those that no file has and no destroyed one had; none while it is incomplete, and cannot tell."""
        keys = {key_of(each): each for each in file_ids}
        marks = ",".join("?" * len(keys))
        sql = (
            f"SELECT file_id FROM files WHERE file_id IN ({marks}) "  # noqa: S608 - only question marks
            f"UNION ALL SELECT file_id FROM destroyed WHERE file_id IN ({marks})"
        )
        try:
            with self._lock:
                if not self.complete:
                    return set()
                found = self._connection.execute(sql, (*keys, *keys)).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return set()
        return {*keys.values()} - {keys[key] for (key,) in found}

    def put_destroyed(self, lines: Iterable[Destroyed]) -> None:
        """Take note of what the destroyed log says, in a rebuild. Never raises, as `put`."""
        rows = list(map(of_line, lines))
        try:
            with self._lock, self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_DESTROYED, rows)
        except sqlite3.Error as error:
            self._failed(error)

    def destroyed(self, file_id: FileId) -> Destroyed | None:
        """What became of a file that was destroyed; None if the index does not know of it."""
        try:
            with self._lock:
                found = self._connection.execute(_DESTROYED_LINE, (key_of(file_id),)).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return None
        return line_of(found) if found else None

    def destroyed_page(self, after: tuple[int, FileId] | None, limit: int) -> list[tuple[int, Destroyed]]:
        """What was destroyed and is not there again, each with the time of it in milliseconds. Raises `IndexFailed`."""
        last = (after[0], key_of(after[1])) if after else (-(2**63), b"")
        return [(row[-1], line_of(row)) for row in self._rows(_DESTROYED_PAGE, (*last, limit))]

    def expiring(self, until: datetime, after: tuple[int, FileId] | None, limit: int) -> list[tuple[int, FileId]]:
        """Files that have not ended and whose end is not later than `until`, with it in milliseconds.

        Raises `IndexFailed`.
        """
        last = (after[0], key_of(after[1])) if after else (-(2**63), b"")
        rows = self._rows(_EXPIRING, (milliseconds(until), *last, limit))
        return [(end, id_of(key)) for end, key in rows]

    def ended(self, after: FileId | None, limit: int) -> list[FileId]:
        """Deleted and expired files, by id. Raises `IndexFailed`."""
        rows = self._rows(_ENDED, (key_of(after) if after else b"", limit))
        return [id_of(key) for (key,) in rows]

    def rows(self, after: FileId | None, limit: int) -> list[Row]:
        """Every file, by id. Raises `IndexFailed`."""
        return [row_of(each) for each in self._rows(_WALK, (key_of(after) if after else b"", limit))]

    def judged(self, after: FileId | None, limit: int) -> list[tuple[FileId, datetime]]:
        """Files that have not ended, by id, and when each was last known to be well. Raises `IndexFailed`."""
        rows = self._rows(_JUDGED, (key_of(after) if after else b"", limit))
        return [(id_of(key), moment_of(at)) for key, at in rows]

    def put_verified(self, file_id: FileId, at: datetime) -> None:
        """Take note that a file was read and is well. Never raises, as `put`."""
        try:
            with self._lock, self._connection as connection:
                connection.execute("INSERT OR REPLACE INTO verified VALUES (?, ?)", (key_of(file_id), milliseconds(at)))
        except sqlite3.Error as error:
            self._failed(error)

    def page(self, status: FileStatus | None, after: Position | None, offset: int, limit: int) -> list[Row]:
        """Rows in the order of upload, at most `limit`. Raises `IndexFailed`."""
        where, values = ["1"], list[object]()
        if status is not None:
            where.append("status = ?")
            values.append(status.value)
        if after is not None:
            where.append("(uploaded_ms, file_id) > (?, ?)")
            values += [after.uploaded_ms, key_of(after.file_id)]
        sql = (
            "SELECT file_id, storage_filename, uploaded_ms, status, revision FROM files "  # noqa: S608 - fixed words
            f"WHERE {' AND '.join(where)} ORDER BY uploaded_ms, file_id LIMIT ? OFFSET ?"
        )
        try:
            with self._lock:
                found = self._connection.execute(sql, (*values, limit, offset)).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            raise IndexFailed(str(error)) from error
        return [row_of(each) for each in found]

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._connection.close()

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            raise IndexFailed(str(error)) from error

    def _transact(self, change: Callable[[sqlite3.Connection], None]) -> None:
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            change(connection)

    def _checkpoint(self) -> bool:
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        return not busy

    def _roomy(self, job: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """The result of `job`, done again if the disk was full for it and room could be made. The lock is held."""
        try:
            return job(*args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _FULL or not self._make_room():
                raise
        return job(*args, **kwargs)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            known = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'about'").fetchone()
            if known is None:
                connection.executescript(f"BEGIN;{SCHEMA}{FILES}COMMIT;")
                connection.execute("INSERT INTO about VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
            version = connection.execute("SELECT value FROM about WHERE name = 'schema_version'").fetchone()
            if version is None or version[0] != SCHEMA_VERSION:
                raise _Unreadable(f"schema version {version and version[0]}, not {SCHEMA_VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _belong_to(self, element: str) -> None:
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO about VALUES ('element_uuid', ?)", (element,))

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)

    def _about(self) -> dict[str, str]:
        with self._lock:
            return {str(name): str(value) for name, value in self._connection.execute("SELECT name, value FROM about")}

    def _count(self) -> None:
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        """Read the counts. The lock is held."""
        files, used = {}, 0
        for status, count, size in self._connection.execute("SELECT status, files, bytes FROM totals"):
            known = FileStatus(status)
            files[known] = count
            used += 0 if known in _WITHOUT_BYTES else size
        self.usage = Usage(files=files, used=used)

    def _failed(self, error: sqlite3.Error) -> None:
        if self.complete:
            log.error("the index failed and is incomplete until it is made anew", error=str(error))
        self.complete = False
        self._gap = True


def known_element(folder: Path) -> ElementUuid | None:
    """Which element the index in `folder` belongs to, however little else can be read of it; None if that is unknown.

    Changes nothing, and may be asked while another process uses the index.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT value FROM about WHERE name = 'element_uuid'").fetchone()
    except sqlite3.DatabaseError:
        return None
    return ElementUuid(str(found[0])) if found else None
