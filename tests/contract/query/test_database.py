"""What PostgreSQL itself holds Query to, and what its outages look like."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from services.model.errors import DeadlineExceeded, ServiceUnavailable
from services.query.store.database import Database, open_database
from services.query.store.registry import PostgresRegistry
from tests.contract.query.conftest import PostgresSide
from tests.doubles.documents import new_id
from tests.support.postgres import PostgresServer

SHORT = timedelta(milliseconds=200)
REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a view of two tables cannot be written to
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM admin.files",
        "SELECT * FROM admin.signing_keys",
        "SELECT * FROM admin.service_accounts",
        "DELETE FROM query_v1.files",
        "CREATE TABLE query_v1.mine (a int)",
        "CREATE TABLE public.mine (a int)",
    ],
)
async def test_the_reader_may_read_its_views_and_nothing_else(postgres_side: PostgresSide, sql: str) -> None:
    connection = await asyncpg.connect(postgres_side.reader_dsn)
    try:
        with pytest.raises(REFUSED):
            await connection.execute(sql)
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(REFUSED):
            await connection.execute(sql)
    finally:
        await connection.close()


async def test_a_migrated_database_is_ready(postgres_side: PostgresSide) -> None:
    await postgres_side.registry.check()


async def test_a_database_that_was_not_migrated_is_not_ready(postgres: PostgresServer) -> None:
    made = await postgres.create_database()
    async with open_database(made.owner_dsn, size=1, statement_timeout=SHORT) as database:
        registry = PostgresRegistry(database)
        with pytest.raises(ServiceUnavailable):
            await registry.check()
        with pytest.raises(ServiceUnavailable):
            await registry.record(new_id())


async def test_an_older_schema_is_not_ready(postgres_side: PostgresSide) -> None:
    connection = await asyncpg.connect(postgres_side.owner_dsn)
    try:
        await connection.execute("DELETE FROM admin.migrations WHERE version >= 4")
    finally:
        await connection.close()
    with pytest.raises(ServiceUnavailable, match="run Admin's migrations"):
        await postgres_side.registry.check()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with open_database(
        "postgresql://nobody:x@/none?host=/nonexistent", size=1, statement_timeout=SHORT
    ) as database:
        with pytest.raises(ServiceUnavailable) as told:
            await PostgresRegistry(database).record(new_id())
        assert told.value.retry_after


async def test_a_wrong_password_is_unavailable_and_is_not_told(postgres_side: PostgresSide) -> None:
    dsn = postgres_side.reader_dsn.replace("the-reader", "not-the-reader")
    assert dsn != postgres_side.reader_dsn
    async with open_database(dsn, size=1, statement_timeout=SHORT) as database:
        with pytest.raises(ServiceUnavailable) as told:
            await PostgresRegistry(database).record(new_id())
        assert "reader" not in told.value.message


async def test_a_statement_that_takes_too_long_is_given_up(postgres_side: PostgresSide) -> None:
    async with open_database(postgres_side.reader_dsn, size=1, statement_timeout=SHORT) as database:
        with pytest.raises(DeadlineExceeded):
            await database.rows("SELECT pg_sleep(5)")
        assert await alive(database)


async def test_a_caller_that_leaves_leaves_no_broken_connection(postgres_side: PostgresSide) -> None:
    async with open_database(postgres_side.reader_dsn, size=1, statement_timeout=timedelta(seconds=5)) as database:
        for _ in range(20):
            leaving = asyncio.create_task(database.rows("SELECT pg_sleep(0.01)"))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        assert await alive(database)


async def test_a_connection_that_the_server_cut_is_replaced(postgres_side: PostgresSide) -> None:
    async with open_database(postgres_side.reader_dsn, size=1, statement_timeout=SHORT) as database:
        assert await alive(database)
        with pytest.raises(ServiceUnavailable):
            await database.rows("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await alive(database)


async def alive(database: Database) -> bool:
    """Whether the pool gives a working connection."""
    row = await database.row("SELECT 1 AS one")
    return row is not None and row["one"] == 1
