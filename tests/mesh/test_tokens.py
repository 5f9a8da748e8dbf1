"""Tokens at the public door: even the mesh's own key signs nothing valid unless every claim is right."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from services.admin.store.sealing import Sealer
from tests.support.mesh import Mesh


@pytest.fixture
async def key(mesh: Mesh) -> RSAKey:
    """The key that signs this mesh's tokens."""
    return await signing_key(mesh)


async def signing_key(mesh: Mesh) -> RSAKey:
    """Taken as only somebody with the database and the key file could."""
    environment = psutil.Process(mesh.pid("admin")).environ()
    connection = await asyncpg.connect(environment["AM_POSTGRES_DSN"])
    try:
        row = await connection.fetchrow("SELECT kid, private_key FROM admin.signing_keys WHERE state = 'active'")
    finally:
        await connection.close()
    assert row is not None
    secret = Path(environment["AM_KEY_ENCRYPTION_KEY_FILE"]).read_text().strip()  # noqa: ASYNC240 - nothing else runs
    private = Sealer(secret).open(row["private_key"], row["kid"])
    return RSAKey.import_key(private, {"kid": row["kid"]})


def claims(mesh: Mesh, **changes: Any) -> dict[str, Any]:
    """Those of a valid token, but for `changes`; None leaves one out."""
    now = int(time.time())
    valid = {
        "iss": mesh.info["base_url"],
        "aud": "artstore",
        "sub": "sa_test",
        "client_id": "sa_test",
        "iat": now,
        "exp": now + 600,
        "jti": "one",
        "scope": "files:read",
    }
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def ask(mesh: Mesh, token: str) -> tuple[int, str]:
    with mesh.client(token) as client:
        answer = client.get("/files", params={"limit": 1})
        return answer.status_code, answer.json().get("error", {}).get("code", "")


def test_the_forger_can_sign_a_valid_one(mesh: Mesh, key: RSAKey) -> None:
    """Else the refusals below would prove nothing."""
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims(mesh), key)
    assert ask(mesh, token) == (200, "")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": -60},
        {"exp": None},
        {"nbf": 600},
        {"aud": "artstore-internal"},
        {"aud": "se-rw-01"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": None},
    ],
    ids=json.dumps,
)
def test_a_token_with_a_wrong_claim_is_401(mesh: Mesh, key: RSAKey, change: dict[str, Any]) -> None:
    """Times are seconds from now."""
    now = int(time.time())
    change = {name: now + value if isinstance(value, int) else value for name, value in change.items()}
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims(mesh, **change), key)
    assert ask(mesh, token) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"kid": "foreign"}, {"typ": "link+jwt"}], ids=json.dumps)
def test_a_token_with_a_wrong_header_is_401(mesh: Mesh, key: RSAKey, header: dict[str, Any]) -> None:
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid, **header}, claims(mesh), key)
    assert ask(mesh, token) == (401, "UNAUTHORIZED")


def test_an_unsigned_token_is_401(mesh: Mesh, key: RSAKey) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    token = f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': key.kid})}.{part(claims(mesh))}."
    assert ask(mesh, token) == (401, "UNAUTHORIZED")


def test_a_token_signed_by_a_stranger_is_401(mesh: Mesh, key: RSAKey) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": key.kid or ""}, private=True)
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims(mesh), stranger)
    assert ask(mesh, token) == (401, "UNAUTHORIZED")


def test_a_token_in_the_query_is_none(mesh: Mesh, token: str) -> None:
    with mesh.client() as client:
        assert client.get("/files", params={"access_token": token}).status_code == 401


def test_a_wrong_secret_is_invalid_client(mesh: Mesh) -> None:
    with mesh.client() as client:
        answer = client.post(
            "/auth/token", data={"grant_type": "client_credentials"}, auth=(mesh.info["client_id"], "wrong")
        )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "everything"}, "invalid_scope"),
    ],
)
def test_a_bad_token_request_is_answered_as_oauth_says(mesh: Mesh, form: dict[str, str], error: str) -> None:
    with mesh.client() as client:
        answer = client.post("/auth/token", data=form, auth=(mesh.info["client_id"], mesh.info["client_secret"]))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_no_secret_is_in_any_log(mesh: Mesh, token: str) -> None:
    ask(mesh, token)
    secrets = [mesh.info["client_secret"], mesh.info["admin_password"], token, token.rpartition(".")[2]]
    for log in (mesh.home / "logs").iterdir():
        said = log.read_text("utf-8", "replace")
        assert not any(secret in said for secret in secrets), log.name


def test_no_secret_is_in_any_command_line(mesh: Mesh) -> None:
    known = [path.read_text().strip() for path in (mesh.home / "secrets").iterdir() if path.is_file()]
    for name in mesh.reread()["processes"]:
        line = " ".join(psutil.Process(mesh.pid(name)).cmdline())
        assert not any(secret in line for secret in known if not secret.startswith("sa_")), name
