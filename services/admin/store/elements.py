"""Storage elements in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.admin.domain.elements import Complaint, ElementRecord, Health
from services.admin.domain.listing import ElementFilter, Position
from services.admin.store.database import Database
from services.model.elements import ElementInfo, ElementStatus, Mode, ReplicaMode, Role
from services.model.errors import Conflict
from services.model.files import FileStatus
from services.model.ids import ElementId, ElementUuid, StorageId

_OBSERVED = (
    "mode", "mode_revision", "replica_mode", "role", "capacity_bytes", "used_bytes", "available_bytes",
    "max_file_size", "files", "version", "writable", "status", "status_since", "status_reason", "last_seen_at",
)  # fmt: skip
"""The columns that change whenever an element is looked at, in the order of `_observed`."""
_COLUMNS = ", ".join(("element_id", "name", "endpoint", "storage_id", "element_uuid", "created_at", *_OBSERVED))
_KNOWN = f"{_COLUMNS}, avoid_until, complaint, complaint_since, last_sync_at"
_SELECT = f"SELECT {_KNOWN} FROM admin.elements"  # noqa: S608 - columns of ours

_STATUS = "CASE WHEN status = 'online' AND complaint <> '' THEN 'degraded' ELSE status END"
"""As `ElementRecord.condition` has it."""
_ALL = f"{_SELECT} ORDER BY storage_id"
_GET = f"{_SELECT} WHERE element_id = $1"
_WANTED = f"($1::text[] IS NULL OR mode = ANY($1)) AND ($2::text IS NULL OR {_STATUS} = $2)"
_COUNT = f"SELECT count(*) AS total FROM admin.elements WHERE {_WANTED}"  # noqa: S608 - as above
_PAGE = f"""
{_SELECT} WHERE {_WANTED} AND ($3::text IS NULL OR (name COLLATE "C", element_id) > ($3, $4::uuid))
ORDER BY name COLLATE "C", element_id LIMIT $5 OFFSET $6
"""
_REGISTER = f"""
INSERT INTO admin.elements AS e ({_COLUMNS})
VALUES ({", ".join(f"${n}" for n in range(1, 7 + len(_OBSERVED)))})
ON CONFLICT (element_uuid) DO UPDATE SET
    name = coalesce(${7 + len(_OBSERVED)}, e.name),
    endpoint = EXCLUDED.endpoint,
    {", ".join(f"{column} = EXCLUDED.{column}" for column in _OBSERVED if column != "status_since")},
    status_since = CASE WHEN e.status = EXCLUDED.status THEN e.status_since ELSE EXCLUDED.status_since END
WHERE e.storage_id = EXCLUDED.storage_id
RETURNING {_KNOWN}, (xmax = 0) AS created
"""  # noqa: S608 - as above
_OBSERVE = f"""
UPDATE admin.elements SET {", ".join(f"{column} = ${n}" for n, column in enumerate(_OBSERVED, start=3))}
WHERE element_id = $1 AND endpoint = $2
"""  # noqa: S608 - as above
_CHANGE = f"""
UPDATE admin.elements SET name = $2, endpoint = $3,
    {", ".join(f"{column} = ${n}" for n, column in enumerate(_OBSERVED, start=4))}
WHERE element_id = $1
"""  # noqa: S608 - as above
_AVOID = "UPDATE admin.elements SET avoid_until = $2 WHERE element_id = $1"
_COMPLAIN = """
UPDATE admin.elements
SET complaint = $2, complaint_since = CASE WHEN complaint = '' THEN $3 ELSE complaint_since END WHERE element_id = $1
"""
_SYNCED = "UPDATE admin.elements SET complaint = '', complaint_since = NULL, last_sync_at = $2 WHERE element_id = $1"
_REMOVE = "DELETE FROM admin.elements WHERE element_id = $1"


class PostgresElements:
    """`ports.ElementStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[ElementRecord]:
        return [_record(row) for row in await self._database.rows(_ALL)]

    async def page(
        self, wanted: ElementFilter, *, limit: int, offset: int = 0, after: Position | None = None
    ) -> tuple[Sequence[ElementRecord], int]:
        modes = wanted.modes
        conditions = (None if modes is None else [*modes], wanted.status)
        begin = (after.name, after.element_id) if after else (None, None)
        rows = await self._database.rows(_PAGE, *conditions, *begin, limit, offset)
        count = await self._database.row(_COUNT, *conditions)
        return [_record(row) for row in rows], count["total"] if count else 0

    async def get(self, element_id: ElementId) -> ElementRecord | None:
        row = await self._database.row(_GET, element_id)
        return _record(row) if row else None

    async def register(self, record: ElementRecord, *, name: str | None) -> tuple[ElementRecord, bool]:
        identity = (record.info.storage_id, record.info.element_uuid)
        values = (record.element_id, record.name, record.endpoint, *identity, record.created_at, *_observed(record))
        try:
            row = await self._register(*values, name)
        except asyncpg.UniqueViolationError:
            raise Conflict(f"the storage id {record.info.storage_id} belongs to another directory") from None
        if row is None:
            raise Conflict(f"the directory of {record.info.storage_id} is registered under another storage id")
        return _record(row), row["created"]

    async def _register(self, *values: object) -> asyncpg.Record | None:
        try:
            return await self._database.row(_REGISTER, *values)
        except asyncpg.UniqueViolationError:
            # Another replica registering the same element at this moment looks like a conflict; its row is there now.
            return await self._database.row(_REGISTER, *values)

    async def observe(self, record: ElementRecord) -> bool:
        return await self._database.execute(_OBSERVE, record.element_id, record.endpoint, *_observed(record)) == 1

    async def change(self, record: ElementRecord) -> bool:
        values = (record.element_id, record.name, record.endpoint, *_observed(record))
        return await self._database.execute(_CHANGE, *values) == 1

    async def avoid(self, element_id: ElementId, until: datetime) -> bool:
        return await self._database.execute(_AVOID, element_id, until) == 1

    async def complain(self, element_id: ElementId, text: str, at: datetime) -> None:
        await self._database.execute(_COMPLAIN, element_id, text, at)

    async def synced(self, element_id: ElementId, at: datetime) -> None:
        await self._database.execute(_SYNCED, element_id, at)

    async def remove(self, element_id: ElementId) -> bool:
        try:
            return await self._database.execute(_REMOVE, element_id) == 1
        except asyncpg.ForeignKeyViolationError:
            raise Conflict("the registry has files of this element; with force they go from it, too") from None


def _observed(record: ElementRecord) -> tuple[object, ...]:
    info, health = record.info, record.health
    return (
        info.mode, info.mode_revision, info.replica_mode, info.role, info.capacity_bytes, info.used_bytes,
        info.available_bytes, info.max_file_size, dict(info.files), info.version, info.writable,
        health.status, health.since, health.reason, record.last_seen_at,
    )  # fmt: skip


def _record(row: asyncpg.Record) -> ElementRecord:
    return ElementRecord(
        element_id=ElementId(str(row["element_id"])),
        name=row["name"],
        endpoint=row["endpoint"],
        info=_info(row),
        health=Health(ElementStatus(row["status"]), row["status_since"], row["status_reason"]),
        last_seen_at=row["last_seen_at"],
        created_at=row["created_at"],
        avoid_until=row["avoid_until"],
        complaint=Complaint(row["complaint"], row["complaint_since"]) if row["complaint"] else None,
        last_sync_at=row["last_sync_at"],
    )


def _info(row: asyncpg.Record) -> ElementInfo:
    return ElementInfo(
        storage_id=StorageId(row["storage_id"]),
        element_uuid=ElementUuid(str(row["element_uuid"])),
        mode=Mode(row["mode"]),
        mode_revision=row["mode_revision"],
        replica_mode=ReplicaMode(row["replica_mode"]),
        role=Role(row["role"]),
        capacity_bytes=row["capacity_bytes"],
        used_bytes=row["used_bytes"],
        available_bytes=row["available_bytes"],
        max_file_size=row["max_file_size"],
        version=row["version"],
        writable=row["writable"],
        files={FileStatus(status): count for status, count in row["files"].items()},
    )
