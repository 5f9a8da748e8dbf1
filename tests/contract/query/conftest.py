"""Query's registry twice: in memory, and in a PostgreSQL that Admin has migrated and filled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast

import pytest

from services.admin.domain.registry import Entry
from services.admin.store import database as admin_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.registry import PostgresRegistry as AdminRegistry
from services.admin.store.roles import ensure_reader
from services.model.elements import ElementAddress
from services.model.files import FileAttributes
from services.query.ports import Registry
from services.query.store.database import open_database
from services.query.store.registry import PostgresRegistry
from tests.doubles.query import MemoryRegistry
from tests.support.admin_things import record
from tests.support.postgres import PostgresServer

PASSWORD = "the-reader's-password"


class Shelf(Protocol):
    """Where a test puts documents for the registry to show."""

    async def add(self, file: FileAttributes, element: ElementAddress) -> None: ...


class AdminShelf:
    """Puts them where Admin does."""

    def __init__(self, database: admin_database.Database) -> None:
        self._elements, self._files = PostgresElements(database), AdminRegistry(database)

    async def add(self, file: FileAttributes, element: ElementAddress) -> None:
        known, _ = await self._elements.register(record(element.storage_id, endpoint=element.endpoint), name=None)
        await self._files.record([Entry(known.element_id, file)])


@dataclass
class PostgresSide:
    """What Query's role reads, what Admin writes, and how the server is reached."""

    registry: PostgresRegistry
    shelf: AdminShelf
    reader_dsn: str
    owner_dsn: str


@pytest.fixture
async def postgres_side(postgres: PostgresServer) -> AsyncIterator[PostgresSide]:
    """A migrated database, and Query's own role in it."""
    made = await postgres.create_database()
    async with migrating(made.owner_dsn) as connection:
        await migrate_to(connection, migrations())
        await ensure_reader(connection, made.query_role, PASSWORD)
    reader_dsn = made.dsn(made.query_role, PASSWORD)
    async with (
        admin_database.open_database(made.owner_dsn, size=2) as admin,
        open_database(reader_dsn, size=2, statement_timeout=timedelta(seconds=10)) as database,
    ):
        yield PostgresSide(PostgresRegistry(database), AdminShelf(admin), reader_dsn, made.owner_dsn)


@pytest.fixture(params=["memory", "postgres"])
def pair(request: pytest.FixtureRequest) -> tuple[Registry, Shelf]:
    if request.param == "memory":
        memory = MemoryRegistry()
        return memory, memory
    side = cast("PostgresSide", request.getfixturevalue("postgres_side"))
    return side.registry, side.shelf


@pytest.fixture
def registry(pair: tuple[Registry, Shelf]) -> Registry:
    return pair[0]


@pytest.fixture
def shelf(pair: tuple[Registry, Shelf]) -> Shelf:
    return pair[1]
