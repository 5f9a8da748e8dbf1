"""Brings the schema up to date: numbered files, each applied once, in order, in a transaction of its own.

Any number of processes may migrate at the same time: one works, the others wait and then find nothing to do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg

from services.admin.store.database import CONNECT_TIMEOUT, Database
from services.chassis.logs import get_logger
from services.model.errors import ServiceUnavailable

LOCK = 0x61727473_746F7265
"""Key of the advisory lock that the migrating process holds: "artstore" in ASCII."""

_FOLDER = Path(__file__).parent / "schema"
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

log = get_logger(__name__)


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of its text, by which a later change of an applied step is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All steps that this version knows, in order."""
    files = sorted(_FOLDER.glob("*.sql"))
    named = [(_NAME.fullmatch(path.name), path) for path in files]
    return tuple(Migration(int(match[1]), match[2], path.read_text("utf-8")) for match, path in named if match)


def newest() -> int:
    """The number of the last step that this version knows."""
    return migrations()[-1].number


async def migrate_to(connection: asyncpg.Connection, steps: Sequence[Migration]) -> list[Migration]:
    """Apply what is missing and return it. Raises `MigrationError`; what was applied before that stays.

    A schema that is newer than this version is left alone: neighbouring versions work with the same one.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        await _require_letters(connection)
        await connection.execute(_BOOKKEEPING)
        applied = {row["version"]: row["digest"] for row in await connection.fetch(_APPLIED)}
        missing = [step for step in steps if not _is_applied(step, applied)]
        for step in missing:
            await _apply(connection, step)
        await _require_trigrams(connection)
        return missing
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


@asynccontextmanager
async def migrating(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own for work on the schema, without a limit on the time of a statement.

    Raises `MigrationError` for whatever PostgreSQL refuses inside the block.
    """
    settings = {"application_name": "artstore-migrate"}
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(f"PostgreSQL: {str(error) or type(error).__name__}") from error


async def require_schema(database: Database) -> None:
    """Raise `ServiceUnavailable` unless every step that this version knows has been applied."""
    there = await database.row("SELECT to_regclass('query_v1.schema_version') IS NOT NULL AS made")
    row = await database.row("SELECT version FROM query_v1.schema_version") if there and there["made"] else None
    version = row["version"] if row else 0
    if version < newest():
        raise ServiceUnavailable(f"the schema is at {version}, {newest()} is needed: run the migrations")


_BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS admin;
CREATE TABLE IF NOT EXISTS admin.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    digest     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""
_APPLIED = "SELECT version, digest FROM admin.migrations"


def _is_applied(step: Migration, applied: dict[int, str]) -> bool:
    digest = applied.get(step.number)
    if digest is not None and digest != step.digest:
        raise MigrationError(f"step {step.number:04} ({step.name}) is not the one that was applied to this database")
    return digest is not None


async def _apply(connection: asyncpg.Connection, step: Migration) -> None:
    async with connection.transaction():
        await connection.execute(step.sql)
        await connection.execute(
            "INSERT INTO admin.migrations (version, name, digest) VALUES ($1, $2, $3)",
            step.number, step.name, step.digest,
        )  # fmt: skip
    log.info("schema migrated", step=step.number, name=step.name)


async def _require_letters(connection: asyncpg.Connection) -> None:
    """Searches disregard case, which is the database's to know."""
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise MigrationError(f"the database's encoding is {encoding}: it must be UTF8")
    if await connection.fetchval("SELECT lower('Ё') <> 'ё'"):
        raise MigrationError("the database's locale knows only ASCII letters: create it with LC_CTYPE 'C.UTF-8'")


async def _require_trigrams(connection: asyncpg.Connection) -> None:
    """The index of names sees letters by another way than `lower` does."""
    there = await connection.fetchval("SELECT to_regproc('show_trgm') IS NOT NULL")
    if there and await connection.fetchval("SELECT cardinality(show_trgm('договор')) = 0"):
        raise MigrationError("the trigram index does not know letters beyond ASCII: LC_CTYPE 'C.UTF-8' is needed")
