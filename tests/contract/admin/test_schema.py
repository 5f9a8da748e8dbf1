"""Migrations, and what Query's role may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.admin.domain.registry import Entry
from services.admin.store.database import open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import (
    Migration,
    MigrationError,
    migrate_to,
    migrating,
    migrations,
    newest,
    require_schema,
)
from services.admin.store.registry import PostgresRegistry
from services.admin.store.roles import ensure_reader, scram
from services.model.errors import ServiceUnavailable
from tests.support.admin_things import file, record
from tests.support.postgres import Database, PostgresServer

PASSWORD = "a password with 'quotes' and %s"


@pytest.fixture
async def empty(postgres: PostgresServer) -> Database:
    return await postgres.create_database()


async def migrated(database: Database) -> list[int]:
    async with migrating(database.owner_dsn) as connection:
        return [step.number for step in await migrate_to(connection, migrations())]


@asynccontextmanager
async def as_query(database: Database, password: str = PASSWORD) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn(database.query_role, password))
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_empty_database_gets_every_step_once(empty: Database) -> None:
    assert await migrated(empty) == list(range(1, newest() + 1))
    assert await migrated(empty) == []


async def test_many_that_migrate_at_once_apply_each_step_once(empty: Database) -> None:
    applied = await asyncio.gather(*(migrated(empty) for _ in range(5)))
    assert sorted(number for each in applied for number in each) == list(range(1, newest() + 1))


async def test_a_step_that_fails_leaves_those_before_it_and_nothing_of_itself(empty: Database) -> None:
    steps = (
        Migration(1, "good", "CREATE TABLE admin.good ()"),
        Migration(2, "bad", "CREATE TABLE admin.bad (); SELECT 1 / 0"),
    )
    with pytest.raises(MigrationError, match="division by zero"):
        async with migrating(empty.owner_dsn) as connection:
            await migrate_to(connection, steps)
    async with migrating(empty.owner_dsn) as connection:
        assert await connection.fetchval("SELECT to_regclass('admin.good') IS NOT NULL")
        assert await connection.fetchval("SELECT to_regclass('admin.bad') IS NULL")
        assert await connection.fetchval("SELECT max(version) FROM admin.migrations") == 1


async def test_a_step_that_was_changed_after_it_was_applied_is_noticed(empty: Database) -> None:
    async with migrating(empty.owner_dsn) as connection:
        await migrate_to(connection, (Migration(1, "step", "SELECT 1"),))
    with pytest.raises(MigrationError, match="not the one that was applied"):
        async with migrating(empty.owner_dsn) as connection:
            await migrate_to(connection, (Migration(1, "step", "SELECT 2"),))


async def test_a_newer_schema_is_left_alone(empty: Database) -> None:
    await migrated(empty)
    async with migrating(empty.owner_dsn) as connection:
        await connection.execute("INSERT INTO admin.migrations VALUES (9999, 'future', 'x')")
    assert await migrated(empty) == []
    async with open_database(empty.owner_dsn, size=1) as database:
        await require_schema(database)


async def test_a_schema_that_is_missing_or_old_is_told_to_the_operator(empty: Database) -> None:
    async with open_database(empty.owner_dsn, size=1) as database:
        with pytest.raises(ServiceUnavailable, match="the schema is at 0"):
            await require_schema(database)
        await migrated(empty)
        await require_schema(database)
        await database.execute("DELETE FROM admin.migrations WHERE version = $1", newest())
        with pytest.raises(ServiceUnavailable, match=f"the schema is at {newest() - 1}, {newest()} is needed"):
            await require_schema(database)


async def test_a_database_whose_locale_knows_only_ascii_is_refused(postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres.superuser_dsn)
    await connection.execute("CREATE DATABASE ascii LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    await connection.close()
    dsn = postgres.superuser_dsn.replace("/postgres?", "/ascii?")
    with pytest.raises(MigrationError, match=r"LC_CTYPE 'C\.UTF-8'"):
        async with migrating(dsn) as ascii_only:
            await migrate_to(ascii_only, migrations())


async def test_a_database_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(MigrationError, match="PostgreSQL: "):
        async with migrating("postgresql://nobody@/nothing?host=/nonexistent"):
            raise AssertionError("connected to nothing")


async def test_the_system_account_cannot_be_deleted(empty: Database) -> None:
    await migrated(empty)
    async with migrating(empty.owner_dsn) as connection:
        await connection.execute(
            "INSERT INTO admin.service_accounts VALUES "
            "(gen_random_uuid(), 'sa_system', 'system', sha256('x'), NULL, '{}', 'active', true, now()), "
            "(gen_random_uuid(), 'sa_other', 'other', sha256('x'), NULL, '{}', 'active', false, now())"
        )
        with pytest.raises(asyncpg.RestrictViolationError, match="the system account cannot be deleted"):
            await connection.execute("DELETE FROM admin.service_accounts")
        assert await connection.execute("DELETE FROM admin.service_accounts WHERE NOT is_system") == "DELETE 1"


@pytest.fixture
async def with_reader(empty: Database) -> Database:
    await migrated(empty)
    async with migrating(empty.owner_dsn) as connection:
        assert await ensure_reader(connection, empty.query_role, PASSWORD)
    return empty


async def test_query_sees_a_document_with_the_address_of_its_element(with_reader: Database) -> None:
    async with open_database(with_reader.owner_dsn, size=1) as database:
        element, _ = await PostgresElements(database).register(record("se-rw-01"), name=None)
        one = file(original_filename="Отчёт.Final.PDF", description="Годовой ОТЧЁТ")
        await PostgresRegistry(database).record([Entry(element.element_id, one)])
    async with as_query(with_reader) as connection:
        row = await connection.fetchrow("SELECT * FROM query_v1.files")
        assert await connection.fetchval("SELECT version FROM query_v1.schema_version") == newest()
    assert row is not None
    assert str(row["file_id"]) == one.file_id
    assert (row["storage_id"], row["endpoint"]) == ("se-rw-01", element.endpoint)
    assert row["search_text"] == "отчёт.final.pdf годовой отчёт"
    assert row["extension"] == "pdf"


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.pdf", "pdf"),
        ("x.tar.GZ", "gz"),
        ("Ж.ДОК", "док"),
        ("a\n.txt", "txt"),
        (".bashrc", ""),
        ("dir/.bashrc", ""),
        ("noext", ""),
        ("a.b/c", ""),
        ("a.", ""),
    ],
)
async def test_the_extension_is_what_follows_the_last_dot_of_the_name(
    with_reader: Database, name: str, extension: str
) -> None:
    async with open_database(with_reader.owner_dsn, size=1) as database:
        element, _ = await PostgresElements(database).register(record("se-rw-01"), name=None)
        await PostgresRegistry(database).record([Entry(element.element_id, file(original_filename=name))])
    async with as_query(with_reader) as connection:
        assert await connection.fetchval("SELECT extension FROM query_v1.files") == extension


async def test_words_that_were_stored_before_an_upgrade_are_found_by_the_same_queries_after_it(empty: Database) -> None:
    texts = [
        ("Договор_№7.final.PDF", "signed, in Ufa", ["договоры", "a,b"]),
        ("Ёлка", "не\tиз\nлеса", []),
        ("", "the", ["", "ж"]),
    ]
    queries = [
        "договора",
        "договор 7 final",
        "SIGNING ufa",
        "a b",
        "ёлки",
        "-договоры",
        '"signed in ufa"',
        "the",
        "из леса",
    ]
    made = "SELECT admin.document_words($1, $2, $3)"
    found = f"SELECT ({made}) @@ websearch_to_tsquery('pg_catalog.russian', $4)"

    async def hits() -> list[bool]:
        return [await connection.fetchval(found, *text, query) for text in texts for query in queries]

    async with migrating(empty.owner_dsn) as connection:
        await migrate_to(connection, migrations()[:12])
        before = await hits()
        await migrate_to(connection, migrations()[:13])
        assert await hits() == before
        await migrate_to(connection, migrations())
        assert await hits() == before
        words = await connection.fetchval(f"SELECT ({made})::text", *texts[0])
    assert True in before
    assert False in before
    assert "'договор':1A,8B" in words


@pytest.mark.parametrize("digest", ["4" * 63, "4" * 65, "4" * 63 + "A", "4" * 63 + "\n", ""])
async def test_what_is_no_digest_is_no_row(with_reader: Database, digest: str) -> None:
    async with open_database(with_reader.owner_dsn, size=1) as database:
        element, _ = await PostgresElements(database).register(record("se-rw-01"), name=None)
        with pytest.raises(asyncpg.CheckViolationError):
            await PostgresRegistry(database).record([Entry(element.element_id, file(sha256=digest))])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM admin.files",
        "SELECT * FROM admin.signing_keys",
        "SELECT * FROM admin.service_accounts",
        "DELETE FROM query_v1.files",
        "UPDATE query_v1.schema_version SET version = 0",
        "CREATE TABLE query_v1.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE ROLE friend",
    ],
)
async def test_query_may_only_read_its_views(with_reader: Database, statement: str) -> None:
    async with as_query(with_reader) as connection:
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
            await connection.execute(statement)


async def test_a_reader_whose_password_has_changed_gets_the_new_one(with_reader: Database) -> None:
    async with migrating(with_reader.owner_dsn) as connection:
        assert await ensure_reader(connection, with_reader.query_role, "another")
    async with as_query(with_reader, "another") as reader:
        assert await reader.fetchval("SELECT 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(with_reader.dsn(with_reader.query_role, PASSWORD))


async def test_a_reader_made_by_somebody_else_is_only_granted_what_it_needs(
    empty: Database, postgres: PostgresServer
) -> None:
    await migrated(empty)
    async with migrating(empty.owner_dsn) as connection:
        assert not await ensure_reader(connection, empty.query_role, None)
    superuser = await asyncpg.connect(postgres.superuser_dsn)
    await superuser.execute(f"CREATE ROLE {empty.query_role} LOGIN PASSWORD 'theirs'")
    await superuser.close()
    async with migrating(empty.owner_dsn) as connection:
        assert await ensure_reader(connection, empty.query_role, None)
    async with as_query(empty, "theirs") as reader:
        assert await reader.fetchval("SELECT count(*) FROM query_v1.files") == 0


async def test_a_role_with_other_rights_is_never_made_the_reader(empty: Database) -> None:
    await migrated(empty)
    for role in ("postgres", empty.owner_dsn.split("//")[1].split(":")[0]):
        with pytest.raises(MigrationError, match="rights that Query must not have"):
            async with migrating(empty.owner_dsn) as connection:
                await ensure_reader(connection, role, PASSWORD)


async def test_the_readers_password_is_not_in_the_statement(with_reader: Database) -> None:
    assert PASSWORD not in scram(PASSWORD)
    with pytest.raises(MigrationError, match="printable ASCII"):
        scram("пароль")


async def test_the_hot_table_is_vacuumed_long_before_a_fifth_of_it_has_changed(empty: Database) -> None:
    await migrated(empty)
    connection = await asyncpg.connect(empty.owner_dsn)
    try:
        options = await connection.fetchval("SELECT reloptions FROM pg_class WHERE oid = 'admin.files'::regclass")
    finally:
        await connection.close()
    kept = dict(option.split("=") for option in options)
    assert float(kept["autovacuum_vacuum_scale_factor"]) <= 0.05
    assert float(kept["autovacuum_vacuum_insert_scale_factor"]) <= 0.1
    assert float(kept["autovacuum_analyze_scale_factor"]) <= 0.05
    assert int(kept["fillfactor"]) < 100
