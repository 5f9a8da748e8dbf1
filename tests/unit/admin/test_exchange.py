"""Token exchange (RFC 8693): who vouches for whom, and never for more than is mapped."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from services.admin.domain.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from services.admin.domain.issuers import parse_issuers
from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.exchange_token import FOREIGN_TYPES, ExchangeToken, TokenEndpoint
from services.admin.usecases.issue_token import IssueToken
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.oauth_server import Granted
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.tokens import TokenReader
from services.model.errors import ServiceUnavailable, Unauthorized, ValidationFailed
from services.model.identity import SCOPES
from services.model.ids import Subject
from tests.doubles.admin_stores import MemoryAccounts, MemoryElements, MemoryKeys, MemoryUsers
from tests.doubles.clock import FakeClock
from tests.doubles.issuer import Issuer
from tests.support.admin_things import SECRET, account, record
from tests.support.people import House, person

OURS = "https://localhost:8443"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
LOGOUT: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
E = OAuthErrorCode


class Keys:
    """Fills `tokens.KeySource` with an issuer's keys; counts."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.fetches = 0
        self.down = False

    async def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        if self.down:
            raise ServiceUnavailable("the issuer is away")
        return self.issuer.jwks()


class Endpoint:
    """The token endpoint, one trusted issuer, one stranger."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC).replace(microsecond=0))
        self.ring = KeyRing(keys=MemoryKeys(), clock=self.clock)
        self.issuer, self.stranger = Issuer(), Issuer("https://stranger.example")
        self.keys = Keys(self.issuer)
        trusted = parse_issuers([self.issuer.configuration()])
        house = House()
        self.accounts = MemoryAccounts(account(scopes=("files:read", "storage:read")))
        self.users = MemoryUsers(house.sessions, house.guard)
        self.users.users = [person("anna")]
        self.standing = Standing(accounts=self.accounts, users=self.users, issuers=trusted)
        elements = MemoryElements(record("se-rw-01"))
        tokens = AccessTokens(keys=self.ring, issuer=OURS, audience="artstore", lifetime=timedelta(minutes=30))
        reader = TokenReader(self.keys, issuer=self.issuer.url, clock=self.clock, types=FOREIGN_TYPES)
        self.own = TokenReader(self.ring, issuer=OURS, clock=self.clock)
        self.ask = TokenEndpoint(
            issue=IssueToken(accounts=self.accounts, elements=elements, tokens=tokens, clock=self.clock),
            exchange=ExchangeToken(
                issuers=[(trusted[0], reader)],
                own=self.own,
                standing=self.standing,
                elements=elements,
                tokens=tokens,
                clock=self.clock,
            ),
        )

    async def exchange(self, token: str, **form: str) -> Granted:
        return await self.ask({**form_of(token), **form}, "")

    async def refusal(self, token: str, **form: str) -> OAuthRefused:
        with pytest.raises(OAuthRefused) as refused:
            await self.exchange(token, **form)
        return refused.value

    async def claims(self, granted: Granted) -> dict[str, Any]:
        keys = KeySet.import_key_set(await self.ring.jwks())  # type: ignore[arg-type]
        return dict(jwt.decode(granted.access_token, keys, algorithms=["RS256"]).claims)

    async def own_token(self, **form: str) -> str:
        body = {"grant_type": "client_credentials", "client_id": "sa_scanner_x1", "client_secret": SECRET, **form}
        return (await self.ask(body, "")).access_token


def form_of(token: str) -> dict[str, str]:
    return {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": JWT_TYPE}


@pytest.fixture
async def endpoint() -> Endpoint:
    made = Endpoint()
    await made.ring.ensure()
    return made


ROLES: dict[str, Any] = {"realm_access": {"roles": ["archivist", "unmapped"]}}


async def test_a_token_of_a_trusted_issuer_is_exchanged_for_ours(endpoint: Endpoint) -> None:
    granted = await endpoint.exchange(endpoint.issuer.token(**ROLES))
    assert (granted.scope, granted.issued_token_type) == ("files:read files:write", ACCESS_TOKEN)
    assert granted.expires_in == timedelta(minutes=30)
    claims = await endpoint.claims(granted)
    assert (claims["sub"], claims["client_id"], claims["iss"], claims["aud"]) == ("kc:maria", "kc", OURS, "artstore")
    assert set(claims) == {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope"}


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"groups": ["/operators"]}, "files:read storage:read admin:read"),
        ({"groups": ["/administrators"]}, " ".join(SCOPES)),
        ({"groups": "/operators"}, "files:read storage:read admin:read"),
        ({"scope": "openid artstore.read profile"}, "files:read"),
        ({**ROLES, "scope": "artstore.read"}, "files:read files:write"),
        ({"realm_access.roles": ["archivist"]}, "files:read files:write"),
    ],
)
async def test_each_claim_gives_what_is_mapped(endpoint: Endpoint, claims: dict[str, Any], scopes: str) -> None:
    assert (await endpoint.exchange(endpoint.issuer.token(**claims))).scope == scopes


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"scope": "files:read admin:write"},
        {"roles": ["admin"], "role": "admin"},
        {"realm_access": {"roles": ["Archivist"]}},
        {"realm_access": {"roles": "archivist x"}},
        {"realm_access": ["archivist"]},
        {"realm_access": {"roles": {"archivist": True}}},
        {"groups": ["/administrators/x", 1, None, ["/administrators"]]},
        {"groups": "/operators /administrators"},
    ],
)
async def test_nothing_else_that_a_token_says_gives_anything(endpoint: Endpoint, claims: dict[str, Any]) -> None:
    assert (await endpoint.refusal(endpoint.issuer.token(**claims))).error is E.INVALID_SCOPE


async def test_nobody_gets_more_than_is_mapped_by_asking_for_it(endpoint: Endpoint) -> None:
    token = endpoint.issuer.token(**ROLES)
    assert (await endpoint.exchange(token, scope="files:read")).scope == "files:read"
    for wanted in ("files:read admin:read", "admin:write", "unmapped"):
        assert (await endpoint.refusal(token, scope=wanted)).error is E.INVALID_SCOPE


def bad(issuer: Issuer, stranger: Issuer) -> dict[str, str]:
    now = int(time.time())
    head, payload, signature = issuer.token(**ROLES).split(".")

    def b64(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    none = b64(b'{"alg":"none","typ":"JWT"}')
    hs256 = b64(json.dumps({"alg": "HS256", "kid": issuer.keys[0].kid}).encode())
    mac = hmac.digest(issuer.keys[0].as_pem(private=False), f"{hs256}.{payload}".encode(), "sha256")
    same_name: Any = RSAKey.generate_key(2048, {"kid": issuer.keys[0].kid or ""}, private=True)
    return {
        "garbage": "garbage",
        "dots": "..",
        "deep": f"a.{b64(b'[' * 5000)}.c",
        "far too long": issuer.token(x="x" * 9000, **ROLES),
        "unsigned": f"{none}.{payload}.",
        "by the public key": f"{hs256}.{payload}.{b64(mac)}",
        "cut signature": f"{head}.{payload}.{signature[:-4]}",
        "by a stranger": stranger.token(**ROLES),
        "by a stranger in the issuer's name": stranger.token(iss=issuer.url, **ROLES),
        "by another key of that name": issuer.token(key=same_name, **ROLES),
        "of another algorithm": issuer.token(alg="PS256", **ROLES),
        "for somebody else": issuer.token(aud="another-client", **ROLES),
        "for nobody": issuer.token(aud=None, **ROLES),
        "for us by our own name": issuer.token(aud="artstore", **ROLES),
        "expired": issuer.token(exp=now - 60, **ROLES),
        "without end": issuer.token(exp=None, **ROLES),
        "not yet valid": issuer.token(nbf=now + 60, **ROLES),
        "of nobody": issuer.token(sub=None, **ROLES),
        "of an endless name": issuer.token(sub="x" * 201, **ROLES),
        "of a name with a line break": issuer.token(sub="a\nb", **ROLES),
        "of the kind of a logout": issuer.token(events=LOGOUT, **ROLES),
        "called a logout": issuer.token(header={"typ": "logout+jwt"}, **ROLES),
        "in our own name": issuer.token(iss=OURS, aud="artstore", **ROLES),
    }


async def test_every_bad_token_is_refused_with_the_same_words(endpoint: Endpoint) -> None:
    said = set()
    for name, token in bad(endpoint.issuer, endpoint.stranger).items():
        try:
            await endpoint.exchange(token)
        except OAuthRefused as refusal:
            said.add((refusal.error, refusal.description))
        else:
            pytest.fail(f"{name} was exchanged")
    assert len(said) == 1
    assert endpoint.keys.fetches == 1  # none of them had anything fetched from anywhere else


@pytest.mark.parametrize(
    "change",
    [
        {"subject_token": ""},
        {"subject_token_type": ""},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"client_id": "sa_scanner_x1", "client_secret": SECRET},
    ],
)
async def test_what_is_not_offered_is_an_invalid_request(endpoint: Endpoint, change: dict[str, str]) -> None:
    assert (await endpoint.refusal(endpoint.issuer.token(**ROLES), **change)).error is E.INVALID_REQUEST


async def test_a_new_key_of_the_issuer_is_found_but_not_asked_for_all_the_time(endpoint: Endpoint) -> None:
    await endpoint.exchange(endpoint.issuer.token(**ROLES))
    endpoint.issuer.rotate()
    for _ in range(20):
        assert (await endpoint.refusal(endpoint.issuer.token(**ROLES))).error is E.INVALID_REQUEST
    assert endpoint.keys.fetches == 1
    endpoint.clock.advance(6)
    assert (await endpoint.exchange(endpoint.issuer.token(**ROLES))).scope
    assert endpoint.keys.fetches == 2


async def test_while_the_issuer_is_away_its_last_keys_serve_on(endpoint: Endpoint) -> None:
    endpoint.keys.down = True
    with pytest.raises(ServiceUnavailable):
        await endpoint.exchange(endpoint.issuer.token(**ROLES))
    endpoint.keys.down = False
    endpoint.clock.advance(6)
    await endpoint.exchange(endpoint.issuer.token(**ROLES))
    endpoint.keys.down = True
    endpoint.clock.advance(120)
    assert (await endpoint.exchange(endpoint.issuer.token(**ROLES))).scope


async def test_changes_are_made_for_him_as_long_as_his_issuer_is_trusted(endpoint: Endpoint) -> None:
    maria = Identity(Subject("kc:maria"), frozenset(SCOPES[:2]), "token")
    assert await endpoint.standing(maria, "files:write") == set(SCOPES[:2])
    for other in ("kd:maria", "maria", ":maria", "kc"):
        with pytest.raises(Unauthorized):
            await endpoint.standing(Identity(Subject(other), frozenset(SCOPES), "token"), "files:write")


async def test_one_of_ours_is_exchanged_for_one_for_an_element_and_never_for_longer(endpoint: Endpoint) -> None:
    token = await endpoint.own_token()
    endpoint.clock.advance(timedelta(minutes=20))
    granted = await endpoint.exchange(token, resource="urn:artstore:storage:se-rw-01", scope="storage:read")
    assert granted.expires_in == timedelta(minutes=10)
    claims = await endpoint.claims(granted)
    assert (claims["aud"], claims["sub"], claims["scope"]) == (
        "urn:artstore:storage:se-rw-01", "sa_scanner_x1", "storage:read",
    )  # fmt: skip
    assert claims["exp"] <= (await endpoint.own.claims(token))["exp"]
    # From there is no way back.
    assert (await endpoint.refusal(granted.access_token)).error is E.INVALID_REQUEST
    endpoint.clock.advance(timedelta(minutes=10))
    assert (await endpoint.refusal(token)).error is E.INVALID_REQUEST


async def test_one_of_ours_gives_no_more_than_its_holder_has_now(endpoint: Endpoint) -> None:
    token = await endpoint.own_token()
    assert (await endpoint.refusal(token, scope="admin:read")).error is E.INVALID_SCOPE
    endpoint.accounts.accounts["sa_scanner_x1"] = account(scopes=("files:read",))
    assert (await endpoint.exchange(token)).scope == "files:read"
    endpoint.accounts.accounts.clear()
    assert (await endpoint.refusal(token)).error is E.INVALID_SCOPE


@pytest.mark.parametrize(
    "target",
    [
        {"resource": "urn:artstore:storage:se-rw-99"},
        {"audience": "another"},
        {"resource": "urn:artstore:storage:se-rw-01", "audience": "artstore"},
    ],
)
async def test_an_unknown_target_is_refused(endpoint: Endpoint, target: dict[str, str]) -> None:
    assert (await endpoint.refusal(endpoint.issuer.token(**ROLES), **target)).error is E.INVALID_TARGET


async def test_no_token_is_logged(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    token, expired = endpoint.issuer.token(**ROLES), endpoint.issuer.token(exp=1, **ROLES)
    with caplog.at_level(logging.DEBUG):
        granted = await endpoint.exchange(token)
        await endpoint.refusal(expired)
    for hidden in (token, expired, granted.access_token):
        assert hidden not in caplog.text


def changed(change: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
    found = Issuer().configuration()
    change(found)
    return [found]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "issuers"),
        (["x"], "[0]"),
        (changed(lambda each: each.update(alias="Kc")), "[0].alias"),
        (changed(lambda each: each.update(alias="a:b")), "[0].alias"),
        (changed(lambda each: each.pop("audience")), "[0].audience"),
        (changed(lambda each: each.update(issuer="")), "[0].issuer"),
        (changed(lambda each: each.update(secret="x")), "[0].secret"),
        (changed(lambda each: each.update(claim_map=[])), "[0].claim_map"),
        (changed(lambda each: each.update(claim_map={"a": ["files:read"]})), "[0].claim_map"),
        (changed(lambda each: each.update(claim_map={"a": {"b": "files:read"}})), "[0].claim_map.a.b"),
        (changed(lambda each: each.update(claim_map={"a": {"b": ["files:everything"]}})), "[0].claim_map.a.b"),
        ([Issuer().configuration(), Issuer("https://other").configuration()], "alias"),
        ([Issuer().configuration("a"), Issuer().configuration("b")], "issuer"),
    ],
)
def test_a_configuration_that_is_wrong_says_where(data: object, field: str) -> None:
    with pytest.raises(ValidationFailed) as wrong:
        parse_issuers(data)
    assert field in [problem.field for problem in wrong.value.details]
