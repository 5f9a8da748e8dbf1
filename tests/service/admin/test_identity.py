"""Tokens and keys of a running Admin."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import argon2
import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from clients.admin import AdminClient, IssuedToken, OAuthRefusal
from services.admin.store.sealing import Sealer
from services.chassis.caller import Identity
from services.chassis.clock import SystemClock
from services.chassis.tokens import TokenVerifier
from services.model.errors import Forbidden, Unauthorized
from services.model.ids import Subject
from services.model.paging import PageRequest
from tests.service.admin.ground import CLIENT_ID, ISSUER, QUERY_PASSWORD, Admin

ALL = "files:read files:write storage:read storage:write admin:read admin:write"


async def test_the_system_account_gets_a_token_that_other_services_believe(admin: Admin) -> None:
    issued = await admin.ask_token()
    assert isinstance(issued, IssuedToken)
    assert (issued.token_type, issued.expires_in.total_seconds(), issued.scope) == ("Bearer", 1800, ALL)
    verifier = TokenVerifier(admin.as_("query"), issuer=ISSUER, audience="artstore", clock=SystemClock())
    identity = await verifier.verify(issued.access_token)
    assert (identity.subject, " ".join(sorted(identity.scopes))) == (CLIENT_ID, " ".join(sorted(ALL.split())))


@pytest.mark.parametrize(
    ("form", "error", "status"),
    [
        ({"client_secret": "wrong"}, "invalid_client", 401),
        ({"client_id": "sa_nobody"}, "invalid_client", 401),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"scope": "files:read everything"}, "invalid_scope", 400),
        ({"resource": "https://elsewhere.example"}, "invalid_target", 400),
        ({"grant_type": ""}, "invalid_request", 400),
        ({"client_id": "' OR 1=1 --"}, "invalid_client", 401),
    ],
)
async def test_a_refusal_is_an_answer(admin: Admin, form: dict[str, str], error: str, status: int) -> None:
    refusal = await admin.ask_token(**form)
    assert isinstance(refusal, OAuthRefusal)
    assert (refusal.error, refusal.http_status) == (error, status)


async def test_a_token_may_be_asked_for_by_the_header(admin: Admin) -> None:
    header = "Basic " + base64.b64encode(f"{CLIENT_ID}:{admin.secret}".encode()).decode()
    issued = await admin.as_("gateway").issue_token({"grant_type": "client_credentials", "scope": "files:read"}, header)
    assert isinstance(issued, IssuedToken)
    assert issued.scope == "files:read"


@pytest.mark.parametrize("module", ["ingester", "query", "edge", "storage"])
async def test_only_the_edges_may_ask_for_tokens(admin: Admin, module: str) -> None:
    with pytest.raises(Forbidden):
        await admin.as_(module).issue_token({"grant_type": "client_credentials"})


async def test_a_restart_keeps_the_keys_and_the_secret(own: Admin) -> None:
    keys, token = await own.as_("gateway").jwks(), await own.token()
    await own.restart()
    assert await own.as_("gateway").jwks() == keys
    assert await own.token()
    before = Identity(Subject(CLIENT_ID), frozenset(), token)
    assert (await own.as_("gateway").list_elements(PageRequest(), on_behalf_of=before)).total == 0


async def test_a_rotated_secret_is_the_only_one_also_after_a_restart(own: Admin) -> None:
    status, said = await own.command("rotate-system-secret")
    assert status == 0, said
    client_id, secret = (line.partition("=")[2] for line in said.strip().splitlines())
    assert client_id == CLIENT_ID
    for _ in range(2):
        assert isinstance(await own.ask_token(secret), IssuedToken)
        refusal = await own.ask_token()
        assert isinstance(refusal, OAuthRefusal)
        assert refusal.error == "invalid_client"
        await own.restart()


async def test_there_is_nothing_to_rotate_before_the_first_start(stopped: Admin) -> None:
    await stopped.migrate()
    status, said = await stopped.command("rotate-system-secret")
    assert (status, said) == (1, "Cannot rotate: there is no system account yet: it is made at the first start\n")


async def test_replicas_that_start_at_once_agree_on_key_account_and_administrator(stopped: Admin) -> None:
    await stopped.migrate()
    replicas = [stopped, stopped.replica(), stopped.replica()]
    try:
        for replica in replicas:
            replica.launch()
        await asyncio.gather(*(replica.process.ready() for replica in replicas))
        keys = [await replica.as_("gateway").jwks() for replica in replicas]
        assert len(keys[0]["keys"]) == 1
        assert keys == [keys[0]] * 3
        connection = await asyncpg.connect(stopped.database.owner_dsn)
        counts = "SELECT (SELECT count(*) FROM admin.service_accounts), (SELECT count(*) FROM admin.users)"
        assert tuple(await connection.fetchrow(counts)) == (1, 1)  # type: ignore[arg-type]
        await connection.close()
    finally:
        for replica in replicas[1:]:
            await replica.close()


async def test_the_first_administrator_is_there_with_an_argon2id_hash(admin: Admin) -> None:
    connection = await asyncpg.connect(admin.database.owner_dsn)
    row = await connection.fetchrow("SELECT username, password_hash, role, status FROM admin.users")
    await connection.close()
    assert row is not None
    assert (row["username"], row["role"], row["status"]) == ("root", "admin", "active")
    assert row["password_hash"].startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(row["password_hash"], admin.admin_password)


async def test_no_secret_is_in_the_log_or_readable_in_the_database(own: Admin) -> None:
    token = await own.token()
    await own.ask_token(client_secret="a-wrong-secret-of-somebody")
    connection = await asyncpg.connect(own.database.owner_dsn)
    tables = ("service_accounts", "users", "signing_keys", "elements", "files")
    rows = [str(row) for table in tables for row in await connection.fetch(f"SELECT t::text FROM admin.{table} AS t")]  # noqa: S608
    pkcs8 = await connection.fetchval("SELECT private_key FROM admin.signing_keys")
    await connection.close()
    await own.restart()
    everything = own.process.log + "".join(rows)
    for hidden in (own.secret, own.admin_password, QUERY_PASSWORD, token, "a-wrong-secret-of-somebody"):
        assert hidden not in everything
    assert b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" not in pkcs8  # the object identifier of RSA in each PKCS #8
    assert "BEGIN PRIVATE KEY" not in everything


class Mint:
    """Makes tokens that Admin did not make: by its own key, which only a test can take, and by others."""

    def __init__(self, genuine: RSAKey) -> None:
        self.genuine = genuine
        self.other = RSAKey.generate_key(2048, {"kid": str(genuine.kid)}, private=True)

    @classmethod
    async def of(cls, admin: Admin) -> Mint:
        connection = await asyncpg.connect(admin.database.owner_dsn)
        row = await connection.fetchrow("SELECT kid, private_key FROM admin.signing_keys")
        await connection.close()
        assert row is not None
        private = load_der_private_key(Sealer(admin.key_encryption_key).open(row["private_key"], row["kid"]), None)
        assert isinstance(private, RSAPrivateKey)
        return cls(RSAKey.import_key(private, {"kid": row["kid"]}))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {"iss": ISSUER, "aud": "artstore", "sub": CLIENT_ID, "iat": now, "exp": now + 600, "scope": ALL}
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, key: Any = None, header: dict[str, Any] | None = None, alg: str = "RS256", **claims: Any) -> str:
        """A good token, but for what is given; a claim given as None is left out."""
        head = {"alg": alg, "typ": "at+jwt", "kid": self.genuine.kid, **(header or {})}
        return jwt.encode(head, self.claims(**claims), key or self.genuine, algorithms=[alg])

    def by_hand(self, algorithm: str, secret: bytes) -> str:
        """What joserfc refuses to make: no signature, or HS256 with a secret that everybody can read."""
        head = {"alg": algorithm, "typ": "at+jwt", "kid": self.genuine.kid}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, self.claims()))
        return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), 'sha256') if secret else b'')}"

    def bad(self) -> dict[str, str]:
        """One of each kind."""
        now = int(time.time())
        head, body, signature = self.token().split(".")
        return {
            "alg none": self.by_hand("none", b""),
            "alg None": self.by_hand("None", b""),
            "HS256 by the public key": self.by_hand("HS256", self.genuine.as_pem(private=False)),
            "RS512": self.token(alg="RS512"),
            "another key under our kid": self.token(self.other),
            "another key under its own kid": self.token(self.other, {"kid": "own"}),
            "a key that the token brings": self.token(self.other, {"jwk": self.other.as_dict(private=False)}),
            "a key at an address": self.token(self.other, {"jku": "https://127.0.0.1:1/jwks"}),
            "another type": self.token(header={"typ": "JWT"}),
            "expired": self.token(exp=now - 60),
            "without an end": self.token(exp=None),
            "not valid yet": self.token(nbf=now + 600),
            "another audience": self.token(aud="artstore-internal"),
            "without an audience": self.token(aud=None),
            "another issuer": self.token(iss="https://elsewhere.example"),
            "without an issuer": self.token(iss=None),
            "without a subject": self.token(sub=None),
            "another signature": f"{head}.{body}.{signature[:-8]}AAAAAAAA",
            "no signature": f"{head}.{body}.",
            "another body": f"{head}.{body[:-4]}AAAA.{signature}",
            "garbage": "garbage",
            "nothing": "",
        }


async def test_a_token_that_is_not_good_is_refused_with_one_text(admin: Admin) -> None:
    client = admin.as_("gateway")
    mint = await Mint.of(admin)
    assert await allowed(client, mint.token())
    told = set()
    for name, token in mint.bad().items():
        with pytest.raises(Unauthorized) as refused:
            assert not await allowed(client, token), name
        told.add(refused.value.message)
    assert len(told) == 1
    assert await allowed(client, mint.token())


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


async def allowed(client: AdminClient, token: str) -> bool:
    user = Identity(Subject(CLIENT_ID), frozenset(), token)
    return (await client.list_elements(PageRequest(), on_behalf_of=user)).total == 0


async def test_who_lacks_the_scope_or_the_certificate_is_refused(admin: Admin) -> None:
    reader = await admin.user("files:read")
    with pytest.raises(Forbidden, match="storage:read"):
        await admin.as_("gateway").list_elements(PageRequest(), on_behalf_of=reader)
    with pytest.raises(Forbidden, match="certificate of query"):
        await admin.as_("query").list_elements(PageRequest(), on_behalf_of=await admin.user())
    with pytest.raises(Unauthorized):
        await admin.as_("gateway").list_elements(PageRequest(), on_behalf_of=None)
