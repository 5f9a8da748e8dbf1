"""Starting, migrating, PostgreSQL coming and going, stopping."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from clients.admin import IssuedToken
from services.admin.store.migrations import newest
from services.model.errors import ServiceUnavailable
from services.model.paging import PageRequest
from tests.service.admin.ground import Admin, PlayedElement
from tests.support.certificates import Certificates
from tests.support.postgres import PostgresServer, running_postgres

RECOVERY = 10.0
"""Seconds after which Admin must work again once PostgreSQL does."""


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """One that these tests may stop."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def alone(tmp_path: Path, own_postgres: PostgresServer) -> AsyncIterator[Admin]:
    """Migrated, not started, on the PostgreSQL that may be stopped."""
    admin = Admin(tmp_path, await own_postgres.create_database(), Certificates(tmp_path / "tls"))
    await admin.migrate()
    yield admin
    await admin.close()


async def test_migrations_run_twice_and_many_at_once(stopped: Admin) -> None:
    results = await asyncio.gather(*(stopped.command("migrate") for _ in range(3)))
    assert [status for status, _ in results] == [0, 0, 0], results
    assert sum(said.count("schema migrated") for _, said in results) == newest()
    status, said = await stopped.command("migrate")
    assert (status, said.count("schema migrated")) == (0, 0)


async def test_migrating_nothing_is_told_in_one_line(stopped: Admin) -> None:
    stopped.environment["AM_POSTGRES_DSN"] = "postgresql://somebody:canary-password@/x?host=/nonexistent"
    status, said = await stopped.command("migrate")
    assert status == 1
    assert said.startswith("Cannot migrate: PostgreSQL: ")
    assert said.count("\n") == 1
    assert "canary-password" not in said


async def test_all_wrong_settings_are_told_at_once(stopped: Admin) -> None:
    for name in ("AM_ISSUER", "AM_TLS_KEY", "AM_KEY_ENCRYPTION_KEY_FILE"):
        del stopped.environment[name]
    stopped.environment["AM_POSTGRES_POOL"] = "many"
    status, said = await stopped.command("serve")
    assert status == 2
    for name in ("AM_ISSUER", "AM_TLS_KEY", "AM_KEY_ENCRYPTION_KEY_FILE", "AM_POSTGRES_POOL"):
        assert name in said


async def test_an_unknown_command_is_refused_with_the_usage(stopped: Admin) -> None:
    status, said = await stopped.command("explode")
    assert status == 2
    assert "migrate | rotate-system-secret" in said


async def test_admin_waits_for_its_schema(stopped: Admin) -> None:
    stopped.launch()
    await says(stopped, "schema is at 0")
    with pytest.raises(ServiceUnavailable):
        await stopped.ask_token()
    await stopped.migrate()
    await stopped.process.ready()
    assert isinstance(await stopped.ask_token(), IssuedToken)


async def says(admin: Admin, reason: str) -> None:
    """Return when its readiness names the reason."""
    async with asyncio.timeout(20):
        while reason not in await readiness(admin):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.05)


async def readiness(admin: Admin) -> str:
    try:
        return str(await admin.process.health())
    except httpx.TransportError as error:  # it does not listen yet
        return str(error)


async def test_another_key_encryption_key_ends_the_start_with_the_reason(own: Admin) -> None:
    assert own.process.stop() == 0
    own.put("AM_KEY_ENCRYPTION_KEY_FILE", base64.urlsafe_b64encode(os.urandom(32)).decode())
    own.launch()
    assert await own.process.exit_status(20) == 1
    assert "the signing keys were encrypted with another key encryption key" in own.process.log


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("AM_KEY_ENCRYPTION_KEY_FILE", "dG9vIHNob3J0", "it must have 32"),
        ("AM_ADMIN_PASSWORD_FILE", "canary-pass", "12 to 256 characters"),
        ("AM_SYSTEM_CLIENT_SECRET_FILE", "", "is empty"),
    ],
)
async def test_a_bad_secret_file_ends_the_start_with_the_reason(
    stopped: Admin, name: str, content: str, reason: str
) -> None:
    await stopped.migrate()
    stopped.put(name, content)
    stopped.launch()
    assert await stopped.process.exit_status(20) == 1
    assert reason in stopped.process.log
    assert not content or content not in stopped.process.log


async def test_a_made_up_secret_is_shown_once(stopped: Admin) -> None:
    await stopped.migrate()
    for name in ("AM_SYSTEM_CLIENT_ID", "AM_SYSTEM_CLIENT_SECRET_FILE"):
        del stopped.environment[name]
    await stopped.start()
    await stopped.restart()
    shown = [line for line in stopped.process.log.splitlines() if line.startswith("The system account was made")]
    assert len(shown) == 1
    client_id, secret = (word.rstrip(",") for word in (shown[0].split()[6], shown[0].split()[8]))
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert isinstance(await stopped.as_("gateway").issue_token(form), IssuedToken)


async def test_without_postgresql_admin_starts_says_so_and_works_once_it_is_there(
    alone: Admin, own_postgres: PostgresServer
) -> None:
    own_postgres.stop()
    alone.launch()
    await says(alone, "the registry does not answer")
    own_postgres.start()
    await alone.process.ready(RECOVERY)
    assert isinstance(await alone.ask_token(), IssuedToken)


async def test_while_postgresql_is_away_callers_are_told_and_keys_go_on(
    alone: Admin, own_postgres: PostgresServer
) -> None:
    await alone.start()
    keys, user = await alone.as_("gateway").jwks(), await alone.user()
    own_postgres.stop()
    try:
        with pytest.raises(ServiceUnavailable) as refused:
            await alone.as_("gateway").list_elements(PageRequest(), on_behalf_of=user)
        assert refused.value.message == "the registry does not answer now; try again"
        assert refused.value.retry_after
        with pytest.raises(ServiceUnavailable):
            await alone.ask_token()
        assert await alone.as_("gateway").jwks() == keys
        ready = await alone.process.health()
        assert ready["status"] == "fail"
        assert ready["checks"]["postgresql"]["status"] == "fail"
    finally:
        own_postgres.start()
    await alone.process.ready(RECOVERY)
    await asyncio.gather(*(alone.as_("gateway").list_elements(PageRequest(), on_behalf_of=user) for _ in range(20)))
    assert "Traceback" not in alone.process.log


async def test_a_signal_ends_it_after_the_call_under_way(own: Admin) -> None:
    element = PlayedElement(own.certificates, "se-rw-01")
    element.says.answers.clear()
    await element.peer.start()
    user = await own.user()
    registering = asyncio.create_task(own.as_("gateway").register_element(element.endpoint, on_behalf_of=user))
    await element.says.asked.wait()
    own.process.send(signal.SIGTERM)
    await says(own, "stopping")
    element.says.answers.set()
    registered, created = await registering
    assert (registered.storage_id, created) == ("se-rw-01", True)
    assert await own.process.exit_status(20) == 0
    await element.peer.stop()
