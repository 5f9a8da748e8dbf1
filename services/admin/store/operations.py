"""Operations in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg

from services.admin.domain.operations import Order, Task
from services.admin.domain.places import Place
from services.admin.store.database import Database
from services.model.errors import ErrorCode
from services.model.ids import ElementId
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)

_OPEN = "state IN ('pending', 'running')"
_START = """
INSERT INTO admin.operations (operation_id, kind, element_id, state, arguments, created_by, created_at)
VALUES ($1, $2, $3, 'pending', $4, $5, $6)
ON CONFLICT (element_id, kind) WHERE state IN ('pending', 'running') DO NOTHING
RETURNING *
"""
_RUNNING = f"SELECT * FROM admin.operations WHERE element_id = $1 AND kind = $2 AND {_OPEN}"  # noqa: S608 - constants
_GET = "SELECT * FROM admin.operations WHERE operation_id = $1"
_WANTED = (
    "($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR element_id = $3)"
)
_COUNT = f"SELECT count(*) AS total FROM admin.operations WHERE {_WANTED}"  # noqa: S608 - constants
_PAGE = f"""
SELECT * FROM admin.operations
WHERE {_WANTED} AND ($4::timestamptz IS NULL OR (created_at, operation_id) < ($4, $5::uuid))
ORDER BY created_at DESC, operation_id DESC LIMIT $6 OFFSET $7
"""  # noqa: S608 - constants
_ALL_OPEN = f"SELECT * FROM admin.operations WHERE {_OPEN} ORDER BY created_at, operation_id"  # noqa: S608 - constants
_TAKE = f"""
UPDATE admin.operations
SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, $2)
WHERE operation_id = $1 AND {_OPEN} RETURNING *
"""  # noqa: S608 - constants
# It gets on: it is not what ends the process, however often that is restarted before its end.
_NOTE = f"""
UPDATE admin.operations SET done = $2, total = $3, unit = $4, memory = $5, attempts = 0
WHERE operation_id = $1 AND {_OPEN}
"""  # noqa: S608 - constants
_FINISH = f"""
UPDATE admin.operations
SET state = $2, result = $3, error_code = $4, error_message = $5, finished_at = $6, memory = '{{}}'
WHERE operation_id = $1 AND {_OPEN} RETURNING *
"""  # noqa: S608 - constants
_CANCEL = f"UPDATE admin.operations SET cancel_requested = true WHERE operation_id = $1 AND {_OPEN}"  # noqa: S608 - constants
_LAST = """
SELECT DISTINCT ON (element_id) * FROM admin.operations
WHERE kind = $1 AND ($2::uuid IS NULL OR element_id = $2) ORDER BY element_id, created_at DESC
"""
_PRUNE = "DELETE FROM admin.operations WHERE finished_at < $1"


class PostgresOperations:
    """`ports.OperationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, order: Order, now: datetime) -> tuple[Operation, bool]:
        values = (str(uuid4()), order.kind, order.element_id, dict(order.arguments), order.by, now)
        while True:
            row = await self._database.row(_START, *values)
            if row is not None:
                return _operation(row), True
            row = await self._database.row(_RUNNING, order.element_id, order.kind)
            if row is not None:  # else it has ended in between
                return _operation(row), False

    async def get(self, operation_id: OperationId) -> Operation | None:
        row = await self._database.row(_GET, operation_id)
        return _operation(row) if row else None

    async def page(
        self, wanted: OperationFilter, *, limit: int, offset: int = 0, after: Place | None = None
    ) -> tuple[Sequence[Operation], int]:
        conditions = (wanted.kind, wanted.state, wanted.element_id)
        begin = (datetime.fromisoformat(after.name), after.id) if after else (None, None)
        rows = await self._database.rows(_PAGE, *conditions, *begin, limit, offset)
        count = await self._database.row(_COUNT, *conditions)
        return [_operation(row) for row in rows], count["total"] if count else 0

    async def open(self) -> Sequence[Operation]:
        return [_operation(row) for row in await self._database.rows(_ALL_OPEN)]

    async def take(self, operation_id: OperationId, now: datetime) -> Task | None:
        row = await self._database.row(_TAKE, operation_id, now)
        return Task(_operation(row), row["arguments"], row["memory"], row["attempts"]) if row else None

    async def note(self, operation_id: OperationId, progress: Progress, memory: Mapping[str, Any]) -> None:
        await self._database.execute(_NOTE, operation_id, progress.done, progress.total, progress.unit, dict(memory))

    async def finish(
        self,
        operation_id: OperationId,
        state: OperationState,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        failure: OperationFailure | None = None,
    ) -> Operation | None:
        why = (failure.code, failure.message) if failure else (None, None)
        kept = None if result is None else dict(result)
        row = await self._database.row(_FINISH, operation_id, state, kept, *why, now)
        return _operation(row) if row else None

    async def request_cancel(self, operation_id: OperationId) -> bool:
        return await self._database.execute(_CANCEL, operation_id) == 1

    async def last(self, kind: OperationKind, element_id: ElementId | None = None) -> Mapping[ElementId, Operation]:
        found = map(_operation, await self._database.rows(_LAST, kind, element_id))
        return {each.element_id: each for each in found}

    async def prune(self, before: datetime) -> int:
        return await self._database.execute(_PRUNE, before)


def _operation(row: asyncpg.Record) -> Operation:
    failed = row["error_code"] is not None
    return Operation(
        id=OperationId(str(row["operation_id"])),
        kind=OperationKind(row["kind"]),
        element_id=ElementId(str(row["element_id"])),
        state=OperationState(row["state"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        progress=Progress(row["done"], row["total"], row["unit"]),
        result=row["result"],
        failure=OperationFailure(ErrorCode(row["error_code"]), row["error_message"]) if failed else None,
        cancel_requested=row["cancel_requested"],
        arguments=row["arguments"],
    )
