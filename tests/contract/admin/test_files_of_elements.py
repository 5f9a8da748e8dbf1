"""Files belong to an element that is registered, whatever is written at the same time; and how extensions are kept."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from services.admin.domain.registry import Entry
from services.admin.store.database import open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.registry import PostgresRegistry, bring_rows
from services.model.errors import NotFound
from services.model.ids import ElementId
from tests.support.admin_things import file, record
from tests.support.postgres import Database, PostgresServer


@pytest.fixture
async def migrated(postgres: PostgresServer) -> Database:
    made = await postgres.create_database()
    async with migrating(made.owner_dsn) as connection:
        await migrate_to(connection, migrations())
    return made


@asynccontextmanager
async def registered(database: Database) -> AsyncIterator[tuple[PostgresRegistry, ElementId, asyncpg.Connection]]:
    """A registry with one element, and a connection beside it."""
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        async with open_database(database.owner_dsn, size=2) as opened:
            element, _ = await PostgresElements(opened).register(record("se-rw-01"), name=None)
            yield PostgresRegistry(opened), element.element_id, connection
    finally:
        await connection.close()


async def test_an_extension_is_the_same_in_a_registry_that_was_there_before_the_upgrade(
    postgres: PostgresServer,
) -> None:
    names = ["".join(each) for length in range(1, 5) for each in itertools.product("Aж./\\\n", repeat=length)]

    async def extensions(rows_before: bool) -> dict[str, str]:
        made = await postgres.create_database()
        async with migrating(made.owner_dsn) as connection:
            await migrate_to(connection, migrations()[:13] if rows_before else migrations())
        async with registered(made) as (registry, element_id, connection):
            await registry.add([Entry(element_id, file(original_filename=name)) for name in names])
            before = await connection.fetch("SELECT original_filename, extension FROM admin.files")
            async with migrating(made.owner_dsn) as other:
                await migrate_to(other, migrations())
            after = await connection.fetch("SELECT original_filename, extension FROM admin.files")
            assert {*map(tuple, after)} == {*map(tuple, before)}
            return {row["original_filename"]: row["extension"] for row in after}

    kept, new = await extensions(True), await extensions(False)
    assert len(new) == len(names)
    assert new == kept
    assert new["A.A"] == "a"


async def test_files_are_of_an_element_that_is_registered_whoever_writes_them(migrated: Database) -> None:
    nobody = ElementId("00000000-0000-7000-8000-000000000000")
    async with registered(migrated) as (registry, element_id, connection):
        one = file()
        for write in (registry.add, registry.bring, registry.record):
            with pytest.raises(NotFound, match="not registered"):
                await write([Entry(element_id, file()), Entry(nobody, file())])
        assert await connection.fetchval("SELECT count(*) FROM admin.files") == 0
        await registry.add([Entry(element_id, one)])
        with pytest.raises(NotFound, match="not registered"):
            await registry.bring([Entry(nobody, replace(one, revision=2))])
        for statement in ("DELETE FROM admin.elements", "UPDATE admin.elements SET element_id = gen_random_uuid()"):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await connection.execute(statement)
        await connection.execute("DELETE FROM admin.files")
        assert await connection.execute("DELETE FROM admin.elements") == "DELETE 1"


@pytest.mark.parametrize("first", ["rows", "removal"])
async def test_an_element_is_not_removed_while_files_of_it_are_written_nor_the_other_way_round(
    migrated: Database, first: str
) -> None:
    async with registered(migrated) as (registry, element_id, connection):
        other = await asyncpg.connect(migrated.owner_dsn)
        begun = connection.transaction()
        await begun.start()
        task: asyncio.Task[object]
        if first == "rows":
            await bring_rows(connection, [Entry(element_id, file())])  # type: ignore[arg-type]  # not of a pool
            task = asyncio.create_task(other.execute("DELETE FROM admin.elements"))
            refused: type[Exception] = asyncpg.ForeignKeyViolationError
        else:
            await connection.execute("DELETE FROM admin.elements")
            task = asyncio.create_task(registry.add([Entry(element_id, file())]))
            refused = NotFound
        await waiting_for_a_lock(connection)
        assert not task.done()
        await begun.commit()
        with pytest.raises(refused):
            await task
        await other.close()
        rows = await connection.fetchval("SELECT count(*) FROM admin.files")
        elements = await connection.fetchval("SELECT count(*) FROM admin.elements")
        assert (rows, elements) == ((1, 1) if first == "rows" else (0, 0))


async def waiting_for_a_lock(connection: asyncpg.Connection) -> None:
    """Return once another session of this database waits for what `connection` holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with asyncio.timeout(20):
        while not await connection.fetchval(waiting):  # PostgreSQL tells nobody that somebody waits
            await connection.execute("SELECT pg_sleep(0.02)")
