"""`services.query.ports.Registry` over the views that Admin makes for Query."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.model.elements import ElementAddress
from services.model.errors import DeadlineExceeded, ServiceUnavailable
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import ElementId, FileId, StorageId, Subject
from services.model.search import SearchMode, SearchRequest, SortKey
from services.query.domain.ordering import Ordering, Position
from services.query.ports import Match, Record
from services.query.store.conditions import Conditions, conditions_of, full_text
from services.query.store.database import Database

SCHEMA: Final = 12
"""The first version of the schema that has the views as they are read here."""

EXACTLY: Final = 10_000
"""So many rows are counted one by one; what is more is estimated, since to count it would cost more than to find it."""

_FILE = (
    "file_id, original_filename, content_type, size, sha256, uploaded_by, uploaded_at, updated_at, description, tags,"
    " metadata, retention_policy, ttl, expires_at, status, deleted_at, deleted_by, revision, epoch"
)
_RECORD = f"SELECT {_FILE}, element_id, storage_id, endpoint FROM query_v1.files WHERE file_id = $1"  # noqa: S608 - constants

_KEYS = {
    SortKey.UPLOADED_AT: ("uploaded_at", "timestamptz"),
    SortKey.FILENAME: ("lower(original_filename)", "text"),
    SortKey.SIZE: ("size", "bigint"),
}


class PostgresRegistry:
    """Reads; see the port for what it promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        """Raise `ServiceUnavailable` unless PostgreSQL answers and has the views that are read here."""
        row = await self._database.row("SELECT version FROM query_v1.schema_version")
        version = row["version"] if row else 0
        if version < SCHEMA:
            raise ServiceUnavailable(f"the schema is at {version}, {SCHEMA} is needed: run Admin's migrations")

    async def record(self, file_id: FileId) -> Record | None:
        row = await self._database.row(_RECORD, file_id)
        if row is None:
            return None
        element = ElementAddress(ElementId(str(row["element_id"])), StorageId(row["storage_id"]), row["endpoint"])
        return Record(_file(row), element)

    async def find(
        self, request: SearchRequest, ordering: Ordering, after: Position | None, *, limit: int, now: datetime
    ) -> Sequence[Match]:
        conditions = conditions_of(request, now)
        score = _score(conditions, request)
        key, kind = _KEYS.get(ordering.key, (score, "float8"))
        direction, beyond = ("DESC", "<") if ordering.descending else ("ASC", ">")
        if after is not None:
            place = f"{conditions.value(after.value, kind)}, {conditions.value(after.file_id, 'uuid')}"
            conditions.add(f"({key}, file_id) {beyond} ({place})")
        rows = await self._database.rows(
            f"SELECT {_FILE}, {score} AS score, {key} AS sort_key FROM query_v1.files WHERE {conditions.where}"  # noqa: S608 - made of constants; values are arguments
            f" ORDER BY {key} {direction}, file_id {direction}"
            f" LIMIT {conditions.value(limit, 'bigint')} OFFSET {conditions.value(request.page.offset, 'bigint')}",
            *conditions.arguments,
        )
        return [_match(row) for row in rows]

    async def count(self, request: SearchRequest, *, now: datetime) -> int:
        conditions = conditions_of(request, now)
        matching = f"SELECT 1 FROM query_v1.files WHERE {conditions.where}"  # noqa: S608 - as above
        counting = f"SELECT count(*) AS total FROM ({matching} LIMIT {EXACTLY + 1}) AS found"  # noqa: S608 - as above
        try:
            row = await self._database.row(counting, *conditions.arguments)
        except DeadlineExceeded:
            row = None  # few match, and they lie far apart
        if row is not None and row["total"] <= EXACTLY:
            return int(row["total"])
        return max(await self._estimate(matching, conditions), row["total"] if row else 0)

    async def _estimate(self, matching: str, conditions: Conditions) -> int:
        """What the planner expects, from the statistics of the table."""
        row = await self._database.row(f"EXPLAIN (FORMAT JSON) {matching}", *conditions.arguments)
        return int(json.loads(row["QUERY PLAN"])[0]["Plan"]["Plan Rows"]) if row else 0


def _score(conditions: Conditions, request: SearchRequest) -> str:
    """How well the name matches, 0 to 1: half for how much of it the query is, half for beginning with it.

    A match in the description alone scores 0. In full text PostgreSQL's rank, in which names weigh most.
    """
    if not request.query:
        return "0::float8"
    if request.mode is SearchMode.EXACT:
        return "1::float8"
    if request.mode is SearchMode.FULLTEXT:
        return f"ts_rank(words, {full_text(conditions, request.query)})::float8"
    query = f"lower({conditions.value(request.query, 'text')})"
    place = f"strpos(lower(original_filename), {query})"
    share = f"char_length({query})::float8 / char_length(original_filename)"
    return f"CASE {place} WHEN 0 THEN 0 WHEN 1 THEN 0.5 + 0.5 * {share} ELSE 0.5 * {share} END"


def _match(row: asyncpg.Record) -> Match:
    return Match(_file(row), row["score"], Position(row["sort_key"], FileId(str(row["file_id"]))))


def _file(row: asyncpg.Record) -> FileAttributes:
    return FileAttributes(
        file_id=FileId(str(row["file_id"])),
        original_filename=row["original_filename"],
        content_type=row["content_type"],
        size=row["size"],
        sha256=row["sha256"],
        uploaded_by=Subject(row["uploaded_by"]),
        uploaded_at=row["uploaded_at"],
        updated_at=row["updated_at"],
        description=row["description"],
        tags=tuple(row["tags"]),
        metadata=json.loads(row["metadata"]),
        retention_policy=RetentionPolicy(row["retention_policy"]),
        ttl=row["ttl"],
        expires_at=row["expires_at"],
        status=FileStatus(row["status"]),
        deleted_at=row["deleted_at"],
        deleted_by=row["deleted_by"],
        revision=row["revision"],
        epoch=row["epoch"],
    )
