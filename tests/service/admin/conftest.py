"""One Admin for each module of tests; those that hurt it have one of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.service.admin.ground import Admin, PlayedElement
from tests.support.certificates import Certificates
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Admin]:
    """Migrated and started; use `admin`."""
    folder = tmp_path_factory.mktemp("admin")
    made = Admin(folder, asyncio.run(postgres.create_database()), Certificates(folder / "tls"))
    try:
        asyncio.run(made.migrate())
        asyncio.run(made.start())
        yield made
    finally:
        asyncio.run(made.close())


@pytest.fixture
async def admin(running: Admin) -> AsyncIterator[Admin]:
    """A running Admin that knows no element and no document. It serves other tests too: leave it as it is."""
    seen = running.seen_anew()
    await seen.forget()
    yield seen
    await seen.disconnect()


@pytest.fixture
async def stopped(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Admin]:
    """One of the test's own: configured, but neither migrated nor started."""
    made = Admin(tmp_path, await postgres.create_database(), Certificates(tmp_path / "tls"))
    yield made
    await made.close()


@pytest.fixture
async def own(stopped: Admin) -> Admin:
    """One of the test's own, migrated and started."""
    await stopped.migrate()
    await stopped.start()
    return stopped


@pytest.fixture
async def element(running: Admin) -> AsyncIterator[PlayedElement]:
    """A running element in mode rw that nobody has registered."""
    played = PlayedElement(running.certificates, "se-rw-01")
    await played.peer.start()
    yield played
    await played.peer.stop()
