"""A second factor through the public door: set up, asked for, lost."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.support.mesh import Mesh

PASSWORD = "correct horse battery"


@pytest.fixture
def person(client: httpx.Client, word: str) -> Iterator[dict[str, Any]]:
    made = client.post("/admin-users", json={"username": word, "password": PASSWORD, "role": "readonly"})
    assert made.status_code == 201, made.text
    yield made.json()
    client.delete(f"/admin-users/{made.json()['id']}")


def login(mesh: Mesh, person: dict[str, Any], totp: str | None = None) -> httpx.Response:
    body = {"username": person["username"], "password": PASSWORD, **({"totp": totp} if totp is not None else {})}
    with mesh.client() as client:
        return client.post("/auth/login", json=body)


def code(secret: str, steps: int = 0) -> str:
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303 - as devices have it
    return totp.generate(int(time.time()) + 30 * steps).decode()


def kept(mesh: Mesh, person: dict[str, Any]) -> dict[str, Any]:
    """Its row in the database."""
    return asyncio.run(_kept(mesh, person))


async def _kept(mesh: Mesh, person: dict[str, Any]) -> dict[str, Any]:
    connection = await asyncpg.connect(psutil.Process(mesh.pid("admin")).environ()["AM_POSTGRES_DSN"])
    try:
        return dict(await connection.fetchrow("SELECT * FROM admin.users WHERE id = $1", person["id"]) or {})
    finally:
        await connection.close()


def test_from_the_first_code_to_the_lost_device(mesh: Mesh, client: httpx.Client, person: dict[str, Any]) -> None:
    with mesh.client(login(mesh, person).json()["access_token"]) as own:
        made = own.post("/auth/totp/enrol", json={"current_password": PASSWORD})
        assert made.status_code == 200, made.text
        assert made.headers["cache-control"] == "no-store"
        secret = made.json()["secret"]
        assert login(mesh, person).status_code == 200  # it does not count yet
        wrong = own.post("/auth/totp/confirm", json={"totp": "00000"})
        assert wrong.status_code == 400
        confirmed = own.post("/auth/totp/confirm", json={"totp": code(secret)})
        assert confirmed.status_code == 200, confirmed.text
        codes = confirmed.json()["recovery_codes"]
        assert own.post("/auth/totp/enrol", json={"current_password": PASSWORD}).status_code == 409
        row = kept(mesh, person)
        assert base64.b32decode(secret) not in bytes(row["totp_secret"])
        refused = login(mesh, person)
        assert refused.status_code == 401
        assert [each["field"] for each in refused.json()["error"]["details"]] == ["totp"]
        assert login(mesh, person, code(secret)).status_code == 401  # used by the confirmation
        assert login(mesh, person, code(secret, 1)).status_code == 200
        assert login(mesh, person, code(secret, 1)).status_code == 401
        assert login(mesh, person, codes[0]).status_code == 200
        assert login(mesh, person, codes[0]).status_code == 401
        again = own.post("/auth/totp/recovery-codes", json={"current_password": PASSWORD, "totp": codes[1]})
        assert again.status_code == 200, again.text
        assert login(mesh, person, codes[2]).status_code == 401
    address = f"/admin-users/{person['id']}"
    assert client.get(address).json()["totp_enabled"] is True
    assert client.post(f"{address}/reset-totp").json()["totp_enabled"] is False
    assert login(mesh, person).status_code == 200


def test_it_is_given_up_with_both_factors(mesh: Mesh, person: dict[str, Any]) -> None:
    with mesh.client(login(mesh, person).json()["access_token"]) as own:
        secret = own.post("/auth/totp/enrol", json={"current_password": PASSWORD}).json()["secret"]
        codes = own.post("/auth/totp/confirm", json={"totp": code(secret)}).json()["recovery_codes"]
        body = {"current_password": PASSWORD, "totp": "000000"}
        assert own.post("/auth/totp/disable", json=body).status_code == 401
        assert own.post("/auth/totp/disable", json={**body, "totp": codes[0]}).status_code == 204
    assert login(mesh, person).status_code == 200
