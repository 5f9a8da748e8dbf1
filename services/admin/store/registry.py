"""The file registry in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from services.admin.domain.registry import Entry, Located, supersedes
from services.admin.domain.sync import Known
from services.admin.domain.sync import Place as SyncPlace
from services.admin.store.database import Database
from services.admin.store.rows import AS_TEXT, TYPES, columns, copied, file_of
from services.model.elements import ElementAddress
from services.model.errors import NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId, StorageId

if TYPE_CHECKING:
    from services.admin.store.database import Connection

_COLUMNS = ", ".join(TYPES)
_OF_FILE = ", ".join(f"f.{column}" for column in TYPES)

# The rows come as one array a column: one statement for any number of them. They are written in the order of their ids,
# so that two statements with the same rows cannot wait for each other. The last condition is
# `domain.registry.supersedes`. Rows that stay as they are do not come back, and are not joined here: a plan made for a
# small table would be kept, and read the whole of a large one.
_ARRAYS = ", ".join(
    f"${number}::{'text' if name in AS_TEXT else kind}[]" for number, (name, kind) in enumerate(TYPES.items(), 1)
)
_BRING = f"""
INSERT INTO admin.files AS f ({_COLUMNS})
SELECT {", ".join(f"{name}::{kind}" if name in AS_TEXT else name for name, kind in TYPES.items())}
FROM unnest({_ARRAYS}) AS t ({_COLUMNS})
ORDER BY file_id
ON CONFLICT (file_id) DO UPDATE SET
    {", ".join(f"{column} = EXCLUDED.{column}" for column in TYPES if column != "file_id")},
    recorded_at = now()
WHERE EXCLUDED.revision > f.revision
   OR (EXCLUDED.revision = f.revision AND f.status = 'missing' AND EXCLUDED.status <> 'missing')
"""  # noqa: S608 - columns of ours
_OVERRULE = f"{_BRING} OR true"
_RECORD = f"{_BRING} RETURNING {_OF_FILE}"
_ROWS = f"SELECT {_COLUMNS} FROM admin.files WHERE file_id = ANY($1::uuid[])"  # noqa: S608 - as above
_FIND = f"""
SELECT {_OF_FILE}, e.storage_id, e.endpoint
FROM admin.files AS f JOIN admin.elements AS e USING (element_id) WHERE f.file_id = $1
"""  # noqa: S608 - as above
_MARK_MISSING = f"""
UPDATE admin.files SET status = 'missing', recorded_at = now()
WHERE file_id = $1 AND revision = $2 AND element_id = $3
RETURNING {_COLUMNS}
"""  # noqa: S608 - as above
_MARK_GONE = """
UPDATE admin.files AS f SET status = 'missing', recorded_at = now()
FROM (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS t (file_id, revision) ORDER BY file_id) AS gone
WHERE f.file_id = gone.file_id AND f.revision = gone.revision AND f.element_id = $1 AND f.status <> 'missing'
"""
_STATE = "SELECT file_id, element_id, revision, status, epoch, updated_at, sha256 FROM admin.files"
_HELD = f"{_STATE} WHERE file_id = ANY($1::uuid[]) ORDER BY file_id FOR UPDATE"
# The times alone, too: how many rows lie between two pairs is guessed as a quarter of all, and all would be read.
_STRETCH = f"""
{_STATE} WHERE file_id = ANY($1::uuid[])
UNION
{_STATE} WHERE element_id = $2 AND uploaded_at >= $3 AND uploaded_at <= $5
    AND (uploaded_at, file_id) > ($3::timestamptz, $4::uuid) AND (uploaded_at, file_id) <= ($5::timestamptz, $6::uuid)
"""
_FIRST = SyncPlace(datetime.min.replace(tzinfo=UTC), FileId("00000000-0000-0000-0000-000000000000"))
_LAST = SyncPlace(datetime.max.replace(tzinfo=UTC), FileId("ffffffff-ffff-ffff-ffff-ffffffffffff"))
_FORGET = """
DELETE FROM admin.files
WHERE ctid = ANY (ARRAY(SELECT ctid FROM admin.files WHERE element_id = $1 LIMIT $2))
"""


class PostgresRegistry:
    """`ports.FileRegistry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, entries: Sequence[Entry]) -> Sequence[FileAttributes]:
        try:
            rows = await self._database.rows(_RECORD, *columns(_latest(entries)))
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("the storage element is not registered") from None
        found = {file.file_id: file for file in map(file_of, rows)}
        unchanged = [entry.file.file_id for entry in entries if entry.file.file_id not in found]
        if unchanged:
            found |= {file.file_id: file for file in map(file_of, await self._database.rows(_ROWS, unchanged))}
        return [found[entry.file.file_id] for entry in entries]

    async def find(self, file_id: FileId) -> Located | None:
        row = await self._database.row(_FIND, file_id)
        if row is None:
            return None
        element_id = ElementId(str(row["element_id"]))
        return Located(file_of(row), ElementAddress(element_id, StorageId(row["storage_id"]), row["endpoint"]))

    async def mark_missing(self, seen: Located) -> FileAttributes:
        row = await self._database.row(
            _MARK_MISSING, seen.file.file_id, seen.file.revision, seen.element.element_id
        ) or await self._database.row(_FIND, seen.file.file_id)
        if row is None:
            raise NotFound("there is no such file")
        return file_of(row)

    async def bring(self, entries: Sequence[Entry]) -> int:
        return await self._database.run(lambda connection: bring_rows(connection, entries))

    async def overrule(self, entries: Sequence[Entry], seen: Mapping[FileId, Known]) -> int:
        return await self._database.run(lambda connection: _overrule(connection, entries, seen))

    async def add(self, entries: Sequence[Entry]) -> None:
        try:
            await self._database.run(lambda connection: _copy(connection, entries))
        except asyncpg.UniqueViolationError:  # an upload, the feed or another sync was faster
            await self.bring(entries)

    async def stretch(
        self, element_id: ElementId, ids: Sequence[FileId], after: SyncPlace | None, until: SyncPlace | None
    ) -> Sequence[Known]:
        first, last = after or _FIRST, until or _LAST
        rows = await self._database.rows(
            _STRETCH, ids, element_id, first.uploaded_at, first.file_id, last.uploaded_at, last.file_id
        )
        return [_known(row) for row in rows]

    async def mark_gone(self, element_id: ElementId, gone: Sequence[tuple[FileId, int]]) -> int:
        ids, revisions = [file_id for file_id, _ in gone], [revision for _, revision in gone]
        return await self._database.execute(_MARK_GONE, element_id, ids, revisions)

    async def forget(self, element_id: ElementId, *, limit: int) -> int:
        return await self._database.execute(_FORGET, element_id, limit)


async def _copy(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write rows that are not there, in the order of their ids, as all do: for three quarters of what `_BRING` costs.

    Nobody waits for the disk: what a crash of PostgreSQL forgets is the end of what was written. Where a sync stands is
    noted afterwards, and waited for, so it is never kept without the rows before it; the rest is synced again.
    """
    rows = sorted(_latest(entries), key=lambda entry: entry.file.file_id)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = off")
            await connection.copy_records_to_table("files", schema_name="admin", columns=[*TYPES], records=copied(rows))
    except asyncpg.ForeignKeyViolationError:
        raise NotFound("the storage element is not registered") from None


async def _overrule(connection: Connection, entries: Sequence[Entry], seen: Mapping[FileId, Known]) -> int:
    async with connection.transaction():
        held = await connection.fetch(_HELD, [entry.file.file_id for entry in entries])
        still = {row.file_id for row in map(_known, held) if row == seen.get(row.file_id)}
        return await bring_rows(connection, [each for each in entries if each.file.file_id in still], _OVERRULE)


async def bring_rows(connection: Connection, entries: Sequence[Entry], statement: str = _BRING) -> int:
    """See `ports.FileRegistry.bring`."""
    if not entries:
        return 0
    try:
        status = await connection.execute(statement, *columns(_latest(entries)))
    except asyncpg.ForeignKeyViolationError:
        raise NotFound("the storage element is not registered") from None
    return int(status.rpartition(" ")[2])


async def known_rows(connection: Connection, ids: Sequence[FileId]) -> list[Known]:
    """What the registry has of these files."""
    return [_known(row) for row in await connection.fetch(f"{_STATE} WHERE file_id = ANY($1::uuid[])", ids)]


def _known(row: asyncpg.Record) -> Known:
    return Known(
        FileId(str(row["file_id"])), ElementId(str(row["element_id"])), row["revision"], FileStatus(row["status"]),
        row["epoch"], row["updated_at"], row["sha256"],
    )  # fmt: skip


def _latest(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Each file once: one statement cannot change a row twice."""
    latest: dict[FileId, Entry] = {}
    for entry in entries:
        known = latest.get(entry.file.file_id)
        if known is None or supersedes(entry.file, known.file):
            latest[entry.file.file_id] = entry
    return latest.values()
