"""Every store twice: in memory, and in a PostgreSQL of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from services.admin.ports import (
    AccountStore,
    ElementStore,
    FeedStore,
    FileRegistry,
    KeyStore,
    LoginGuard,
    OperationStore,
    SecondFactors,
    SessionStore,
    UserStore,
)
from services.admin.store.accounts import PostgresAccounts
from services.admin.store.database import Database, open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.feeds import PostgresFeeds
from services.admin.store.keys import PostgresKeys
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.operations import PostgresOperations
from services.admin.store.registry import PostgresRegistry
from services.admin.store.sealing import Sealer
from services.admin.store.second_factors import PostgresSecondFactors
from services.admin.store.sessions import PostgresLoginGuard, PostgresSessions
from services.admin.store.users import PostgresUsers
from tests.doubles.admin_feeds import MemoryFeeds
from tests.doubles.admin_operations import MemoryOperations
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import (
    MemoryAccounts,
    MemoryElements,
    MemoryKeys,
    MemoryLoginGuard,
    MemorySecondFactors,
    MemorySessions,
    MemoryUsers,
)
from tests.support.postgres import PostgresServer

KEY_ENCRYPTION_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"


@dataclass
class Stores:
    """One of each."""

    accounts: AccountStore
    users: UserStore
    keys: KeyStore
    elements: ElementStore
    registry: FileRegistry
    guard: LoginGuard
    sessions: SessionStore
    operations: OperationStore
    factors: SecondFactors
    feeds: FeedStore


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    made = await postgres.create_database()
    async with migrating(made.owner_dsn) as connection:
        await migrate_to(connection, migrations())
    async with open_database(made.owner_dsn, size=8) as database:
        yield database


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        elements = MemoryElements()
        guard, sessions = MemoryLoginGuard(), MemorySessions()
        users = MemoryUsers(sessions, guard)
        registry = MemoryRegistry(elements)
        factors = MemorySecondFactors(users, sessions)
        return Stores(
            MemoryAccounts(),
            users,
            MemoryKeys(),
            elements,
            registry,
            guard,
            sessions,
            MemoryOperations(),
            factors,
            MemoryFeeds(elements, registry),
        )
    database = cast("Database", request.getfixturevalue("database"))
    return Stores(
        PostgresAccounts(database),
        PostgresUsers(database),
        PostgresKeys(database, Sealer(KEY_ENCRYPTION_KEY)),
        PostgresElements(database),
        PostgresRegistry(database),
        PostgresLoginGuard(database),
        PostgresSessions(database),
        PostgresOperations(database),
        PostgresSecondFactors(database, Sealer(KEY_ENCRYPTION_KEY)),
        PostgresFeeds(database),
    )


@pytest.fixture
def accounts(stores: Stores) -> AccountStore:
    return stores.accounts


@pytest.fixture
def users(stores: Stores) -> UserStore:
    return stores.users


@pytest.fixture
def guard(stores: Stores) -> LoginGuard:
    return stores.guard


@pytest.fixture
def sessions(stores: Stores) -> SessionStore:
    return stores.sessions


@pytest.fixture
def factors(stores: Stores) -> SecondFactors:
    return stores.factors


@pytest.fixture
def keys(stores: Stores) -> KeyStore:
    return stores.keys


@pytest.fixture
def elements(stores: Stores) -> ElementStore:
    return stores.elements


@pytest.fixture
def registry(stores: Stores) -> FileRegistry:
    return stores.registry


@pytest.fixture
def feeds(stores: Stores) -> FeedStore:
    return stores.feeds


@pytest.fixture
def operations(stores: Stores) -> OperationStore:
    return stores.operations
