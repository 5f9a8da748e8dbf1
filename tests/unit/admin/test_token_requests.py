"""The token endpoint: who gets a token, with what in it, and what everybody else is told (RFC 6749 section 5.2)."""

from __future__ import annotations

import base64
import logging
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.issue_token import IssueToken
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.oauth_server import Granted
from services.chassis.caller import Identity
from services.chassis.tokens import TokenVerifier
from services.model.errors import ServiceUnavailable, Unauthorized
from services.model.identity import AccountStatus
from services.model.ids import Subject
from tests.doubles.admin_stores import MemoryAccounts, MemoryElements, MemoryKeys
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, SECRET, account, record

ISSUER, AUDIENCE = "https://localhost:8443", "artstore"
ID = "sa_scanner_x1"
GRANT = {"grant_type": "client_credentials"}
BODY = {**GRANT, "client_id": ID, "client_secret": SECRET}

E = OAuthErrorCode


def basic(client_id: str = ID, secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


class Endpoint:
    """The token endpoint with one account behind it."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.keys = MemoryKeys()
        self.ring = KeyRing(keys=self.keys, clock=self.clock)
        self.accounts = MemoryAccounts(
            account(scopes=("files:read", "files:write")),
            account(client_id="sa_expired", secret_expires_at=NOW),
            account(client_id="sa_in_time", secret_expires_at=NOW + timedelta(seconds=1)),
            account(client_id="sa_disabled", status=AccountStatus.DISABLED),
            account(client_id="sa:odd +%"),
        )
        self.issue = IssueToken(
            accounts=self.accounts,
            elements=MemoryElements(record("se-rw-01")),
            tokens=AccessTokens(keys=self.ring, issuer=ISSUER, audience=AUDIENCE, lifetime=timedelta(minutes=30)),
            clock=self.clock,
        )

    async def ask(self, form: dict[str, str], authorization: str = "") -> Granted:
        return await self.issue(form, authorization)

    async def refusal(self, form: dict[str, str], authorization: str = "") -> OAuthRefused:
        with pytest.raises(OAuthRefused) as refused:
            await self.issue(form, authorization)
        return refused.value


@pytest.fixture
async def endpoint() -> Endpoint:
    made = Endpoint()
    await made.ring.ensure()
    return made


async def decoded(endpoint: Endpoint, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    keys = KeySet.import_key_set(await endpoint.ring.jwks())  # type: ignore[arg-type]
    found = jwt.decode(token, keys, algorithms=["RS256"])
    return dict(found.header), dict(found.claims)


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        (BODY, ""),
        (GRANT, basic()),
        (GRANT, basic().replace("Basic", "bAsIc")),
        ({**GRANT, "client_id": ID}, basic()),
        ({**GRANT, "client_secret": "", "scope": "", "resource": ""}, basic()),
        ({**GRANT, "resource": AUDIENCE, "unknown": "ignored"}, basic()),
        ({**GRANT, "resource": ISSUER}, basic()),
        (GRANT, basic("sa:odd +%".replace(":", "%3A").replace(" ", "+").replace("+%", "%2B%25"))),
        (GRANT, basic("sa_in_time")),
    ],
    ids=[
        "body",
        "header",
        "scheme case",
        "id twice",
        "empty is absent",
        "resource",
        "address",
        "form-encoded id",
        "not expired",
    ],
)
async def test_who_proves_to_be_the_client_gets_a_token(
    endpoint: Endpoint, form: dict[str, str], authorization: str
) -> None:
    granted = await endpoint.ask(form, authorization)
    assert granted.expires_in == timedelta(minutes=30)
    header, claims = await decoded(endpoint, granted.access_token)
    assert header["typ"] == "at+jwt"
    assert claims["scope"] == granted.scope


async def test_the_token_says_what_rfc_9068_wants(endpoint: Endpoint) -> None:
    granted = await endpoint.ask(BODY)
    header, claims = await decoded(endpoint, granted.access_token)
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": (await endpoint.keys.published())[0].kid}
    assert len(claims.pop("jti")) >= 16
    issued = int(NOW.timestamp())
    assert claims == {
        "iss": ISSUER, "aud": AUDIENCE, "sub": ID, "client_id": ID, "iat": issued, "exp": issued + 1800,
        "scope": "files:read files:write",
    }  # fmt: skip


async def test_a_token_for_one_element_is_believed_nowhere_else(endpoint: Endpoint) -> None:
    """RFC 8707: the resource is the audience."""
    element = "urn:artstore:storage:se-rw-01"
    token = (await endpoint.ask({**BODY, "resource": element, "scope": "files:read"})).access_token
    _, claims = await decoded(endpoint, token)
    assert (claims["aud"], claims["scope"], claims["sub"]) == (element, "files:read", ID)

    def verifier(audience: str) -> TokenVerifier:
        return TokenVerifier(endpoint.ring, issuer=ISSUER, audience=audience, clock=endpoint.clock)

    assert (await verifier(element).verify(token)).scopes == {"files:read"}
    for other in (AUDIENCE, "urn:artstore:storage:se-rw-02", "se-rw-01"):
        with pytest.raises(Unauthorized):
            await verifier(other).verify(token)


async def test_strangers_do_not_learn_which_elements_there_are(endpoint: Endpoint) -> None:
    for name in ("se-rw-01", "se-rw-99"):
        form = {**BODY, "client_secret": "wrong", "resource": f"urn:artstore:storage:{name}"}
        assert (await endpoint.refusal(form)).error is E.INVALID_CLIENT


async def test_no_two_tokens_have_the_same_id(endpoint: Endpoint) -> None:
    tokens = [(await endpoint.ask(BODY)).access_token for _ in range(20)]
    assert len({(await decoded(endpoint, token))[1]["jti"] for token in tokens}) == 20


async def test_the_token_is_believed_by_every_service_until_it_expires(endpoint: Endpoint) -> None:
    verifier = TokenVerifier(endpoint.ring, issuer=ISSUER, audience=AUDIENCE, clock=endpoint.clock)
    token = (await endpoint.ask({**BODY, "scope": "files:read"})).access_token
    identity = await verifier.verify(token)
    assert identity == Identity(Subject(ID), frozenset({"files:read"}), token)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "files:read files:write"),
        ("files:read", "files:read"),
        ("files:write files:read", "files:read files:write"),
        ("files:read files:read", "files:read"),
    ],
)
async def test_the_scope_is_what_is_asked_for(endpoint: Endpoint, asked: str | None, granted: str) -> None:
    form = BODY if asked is None else {**BODY, "scope": asked}
    assert (await endpoint.ask(form)).scope == granted


BAD = [
    # name, form, authorization, error
    ("nothing at all", {}, "", E.INVALID_REQUEST),
    ("no grant type", {"client_id": ID, "client_secret": SECRET}, "", E.INVALID_REQUEST),
    ("empty grant type", {**BODY, "grant_type": ""}, "", E.INVALID_REQUEST),
    ("password grant", {**BODY, "grant_type": "password"}, "", E.UNSUPPORTED_GRANT_TYPE),
    ("grant type in another case", {**BODY, "grant_type": "Client_Credentials"}, "", E.UNSUPPORTED_GRANT_TYPE),
    ("grant type with quotes", {**BODY, "grant_type": '"\\\n\x00'}, "", E.UNSUPPORTED_GRANT_TYPE),
    ("no client", GRANT, "", E.INVALID_CLIENT),
    ("no secret", {**GRANT, "client_id": ID}, "", E.INVALID_CLIENT),
    ("no client id", {**GRANT, "client_secret": SECRET}, "", E.INVALID_CLIENT),
    ("wrong secret in the body", {**BODY, "client_secret": SECRET + "x"}, "", E.INVALID_CLIENT),
    ("wrong secret in the header", GRANT, basic(secret="x"), E.INVALID_CLIENT),
    ("secret with a space after it", {**BODY, "client_secret": SECRET + " "}, "", E.INVALID_CLIENT),
    ("empty secret in the header", GRANT, basic(secret=""), E.INVALID_CLIENT),
    ("unknown client", {**BODY, "client_id": "sa_nobody"}, "", E.INVALID_CLIENT),
    ("empty client", GRANT, basic(client_id=""), E.INVALID_CLIENT),
    ("expired secret", {**BODY, "client_id": "sa_expired"}, "", E.INVALID_CLIENT),
    ("disabled account", {**BODY, "client_id": "sa_disabled"}, "", E.INVALID_CLIENT),
    ("NUL in the client id", {**BODY, "client_id": ID + "\0"}, "", E.INVALID_CLIENT),
    ("Cyrillic client id", {**BODY, "client_id": "сканер"}, "", E.INVALID_CLIENT),
    ("endless client id", {**BODY, "client_id": "x" * 10_000}, "", E.INVALID_CLIENT),
    ("endless secret", {**BODY, "client_secret": "x" * 100_000}, "", E.INVALID_CLIENT),
    ("lone surrogate", {**BODY, "client_secret": "\ud800"}, "", E.INVALID_CLIENT),
    ("another scheme", GRANT, "Bearer abc", E.INVALID_CLIENT),
    ("Basic without anything", GRANT, "Basic", E.INVALID_CLIENT),
    ("Basic that is not base64", GRANT, "Basic !!!", E.INVALID_CLIENT),
    ("Basic with wrong padding", GRANT, basic().rstrip("=") + "A", E.INVALID_CLIENT),
    ("Basic that is not UTF-8", GRANT, "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(), E.INVALID_CLIENT),
    ("Basic that is not ASCII", GRANT, "Basic жжжж", E.INVALID_CLIENT),
    ("Basic without a colon", GRANT, "Basic " + base64.b64encode(b"x").decode(), E.INVALID_CLIENT),
    ("Basic with bad percent-encoding", GRANT, basic(client_id="%ff"), E.INVALID_CLIENT),
    ("both ways at once", BODY, basic(), E.INVALID_REQUEST),
    ("secret in the body beside another scheme", BODY, "Bearer abc", E.INVALID_REQUEST),
    ("another client id in the body", {**GRANT, "client_id": "sa_other"}, basic(), E.INVALID_REQUEST),
    ("a scope that it lacks", {**BODY, "scope": "admin:write"}, "", E.INVALID_SCOPE),
    ("one scope of two that it lacks", {**BODY, "scope": "files:read admin:read"}, "", E.INVALID_SCOPE),
    ("an unknown scope", {**BODY, "scope": "files:destroy"}, "", E.INVALID_SCOPE),
    ("a scope in another case", {**BODY, "scope": "FILES:READ"}, "", E.INVALID_SCOPE),
    ("scopes with a comma", {**BODY, "scope": "files:read,files:write"}, "", E.INVALID_SCOPE),
    ("scopes with two spaces", {**BODY, "scope": "files:read  files:write"}, "", E.INVALID_SCOPE),
    ("a scope of a space", {**BODY, "scope": " "}, "", E.INVALID_SCOPE),
    ("a scope with a tab", {**BODY, "scope": "files:read\tfiles:write"}, "", E.INVALID_SCOPE),
    ("an element that is not registered", {**BODY, "resource": "urn:artstore:storage:se-rw-99"}, "", E.INVALID_TARGET),
    ("no element's name", {**BODY, "resource": "urn:artstore:storage:SE/../x"}, "", E.INVALID_TARGET),
    ("another thing of ours", {**BODY, "resource": "urn:artstore:storage:"}, "", E.INVALID_TARGET),
    ("an internal audience", {**BODY, "resource": "artstore-internal"}, "", E.INVALID_TARGET),
    ("a scope it lacks, for an element", {**BODY, "resource": "urn:artstore:storage:se-rw-01", "scope": "admin:write"},
     "", E.INVALID_SCOPE),
    ("an unknown resource", {**BODY, "resource": "https://elsewhere.example"}, "", E.INVALID_TARGET),
]  # fmt: skip


@pytest.mark.parametrize(("form", "authorization", "error"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_everybody_else_is_refused(
    endpoint: Endpoint, form: dict[str, str], authorization: str, error: OAuthErrorCode
) -> None:
    refused = await endpoint.refusal(form, authorization)
    assert refused.error is error
    assert refused.http_status == (401 if error is E.INVALID_CLIENT else 400)
    assert all(" " <= c <= "~" and c not in '"\\' for c in refused.description)
    assert SECRET not in refused.description


async def test_an_unknown_client_a_wrong_secret_and_an_expired_one_are_told_the_same(endpoint: Endpoint) -> None:
    told = {
        str(await endpoint.refusal({**BODY, **change}))
        for change in (
            {"client_id": "sa_nobody"},
            {"client_secret": "x"},
            {"client_id": "sa_expired"},
            {"client_id": "sa_disabled"},
        )
    }  # fmt: skip
    assert len(told) == 1


async def test_a_malformed_client_id_is_never_looked_up(endpoint: Endpoint) -> None:
    await endpoint.refusal({**BODY, "client_id": ID + "\0"})
    await endpoint.refusal({**BODY, "client_id": "x" * 300})
    assert endpoint.accounts.lookups == []


async def test_no_secret_and_no_token_is_logged(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        granted = await endpoint.ask(GRANT, basic())
        await endpoint.refusal({**BODY, "client_secret": "wrong-secret"})
    for hidden in (SECRET, "wrong-secret", granted.access_token):
        assert hidden not in caplog.text
    assert granted.access_token not in repr(granted)


async def test_without_any_key_no_token_is_given_out(endpoint: Endpoint) -> None:
    endpoint.keys.keys.clear()
    endpoint.clock.advance(60)
    with pytest.raises(ServiceUnavailable, match="no active key"):
        await endpoint.ask(BODY)


async def test_the_last_known_keys_serve_on_while_the_store_is_away(endpoint: Endpoint) -> None:
    endpoint.keys.down = True
    endpoint.clock.advance(60)
    assert (await endpoint.ask(BODY)).access_token


async def test_keys_are_read_again_only_now_and_then(endpoint: Endpoint) -> None:
    before = endpoint.keys.reads
    for _ in range(10):
        await endpoint.ask(BODY)
    assert endpoint.keys.reads == before
    endpoint.clock.advance(16)
    for _ in range(10):
        await endpoint.ask(BODY)
    assert endpoint.keys.reads == before + 1


async def test_a_ring_that_never_saw_a_key_says_so() -> None:
    keys = MemoryKeys()
    keys.down = True
    with pytest.raises(ServiceUnavailable):
        await KeyRing(keys=keys, clock=FakeClock()).jwks()


async def test_the_published_set_holds_no_private_part(endpoint: Endpoint) -> None:
    (key,) = (await endpoint.ring.jwks())["keys"]
    assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}


async def test_ensuring_twice_keeps_the_first_key(endpoint: Endpoint) -> None:
    before = await endpoint.ring.jwks()
    await endpoint.ring.ensure()
    assert await endpoint.ring.jwks() == before
