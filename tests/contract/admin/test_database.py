"""The pool: what callers are told when PostgreSQL is away, and that no connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg
import pytest

from services.admin.store import database as module
from services.admin.store.database import Database, open_database
from services.model.errors import ServiceUnavailable
from tests.support.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """One that these tests may stop."""
    with running_postgres() as server:
        yield server


async def test_a_pool_opens_without_postgresql_and_works_once_it_is_there(own_postgres: PostgresServer) -> None:
    made = await own_postgres.create_database()
    own_postgres.stop()
    async with open_database(made.owner_dsn, size=2) as database:
        with pytest.raises(ServiceUnavailable) as refused:
            await database.rows("SELECT 1")
        assert refused.value.retry_after
        assert "artstore" not in refused.value.message
        own_postgres.start()
        assert [tuple(row) for row in await database.rows("SELECT 1")] == [(1,)]


async def test_a_restart_costs_at_most_the_calls_under_way(own_postgres: PostgresServer) -> None:
    made = await own_postgres.create_database()
    async with open_database(made.owner_dsn, size=4) as database:
        slow = [asyncio.create_task(database.rows("SELECT pg_sleep(4)")) for _ in range(4)]
        await _busy(own_postgres, made.name, 4)
        own_postgres.stop()
        outcomes = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(outcome, ServiceUnavailable) for outcome in outcomes), outcomes
        own_postgres.start()
        await asyncio.gather(*(database.rows("SELECT 1") for _ in range(20)))


async def _busy(server: PostgresServer, database: str, count: int) -> None:
    """Return when so many statements sleep."""
    watcher = await asyncpg.connect(server.superuser_dsn)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'"
    while await watcher.fetchval(sleeping, database) < count:  # noqa: ASYNC110 - only asking tells
        await asyncio.sleep(0.01)  # PostgreSQL has no event for it
    await watcher.close()


async def test_a_statement_that_takes_too_long_is_given_up(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND_TIMEOUT", 0.2)
    made = await postgres.create_database()
    async with open_database(made.owner_dsn, size=1) as database:
        with pytest.raises(ServiceUnavailable):
            await database.rows("SELECT pg_sleep(30)")
        assert await database.row("SELECT 1") is not None


async def test_a_caller_that_waits_too_long_for_a_connection_is_told(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACQUIRE_TIMEOUT", 0.2)
    made = await postgres.create_database()
    async with open_database(made.owner_dsn, size=1) as database:
        slow = asyncio.create_task(database.rows("SELECT pg_sleep(1)"))
        await _busy(postgres, made.name, 1)
        with pytest.raises(ServiceUnavailable):
            await database.rows("SELECT 1")
        await slow


async def test_callers_that_go_away_cost_no_connection_and_their_statements_end(postgres: PostgresServer) -> None:
    made = await postgres.create_database()
    async with open_database(made.owner_dsn, size=2) as database:
        await database.rows("CREATE TABLE marks (n integer)")
        for number in range(30):
            call = asyncio.create_task(database.execute("INSERT INTO marks VALUES ($1)", number))
            await asyncio.sleep(0.001 * (number % 5))
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
        assert await _count(database) == 30


async def _count(database: Database) -> int:
    row = await database.row("SELECT count(*) AS n FROM marks")
    assert row is not None
    count: int = row["n"]
    return count
