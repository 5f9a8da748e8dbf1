"""Who gets through the door: the JWT check, and what is public."""

from __future__ import annotations

import time

import pytest

from tests.doubles.keys import SigningKeys
from tests.service.envoy.conftest import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = SigningKeys()


def unsigned(keys: SigningKeys) -> str:
    """`alg: none`, with the claims of a valid token."""
    return "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + keys.token().split(".")[1] + "."


async def test_a_valid_token_passes_and_is_handed_on(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=token)
    assert answer.status_code == 200
    assert door.gateway.last.headers["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda _: "garbage", id="garbage"),
        pytest.param(unsigned, id="unsigned"),
        pytest.param(lambda keys: keys.token(exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda keys: keys.token(exp=None), id="without an end"),
        pytest.param(lambda keys: keys.token(nbf=int(time.time()) + 120), id="not yet valid"),
        pytest.param(lambda keys: keys.token(aud="artstore-internal"), id="for another audience"),
        pytest.param(lambda keys: keys.token(iss="https://elsewhere"), id="of another issuer"),
        pytest.param(lambda _: FOREIGN.token(), id="signed by a foreign key"),
        pytest.param(lambda keys: keys.token()[:-8] + "AAAAAAAA", id="with a changed signature"),
    ],
)
async def test_a_bad_token_is_401_in_the_one_format(door: Door, bad: object) -> None:
    assert callable(bad)
    answer = await door.ask("GET", "/api/v1/files", token=bad(door.keys))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="artstore", error="invalid_token"'
    error = answer.json()["error"]
    assert error["code"] == "UNAUTHORIZED"
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"] != ""
    assert door.gateway.seen == []


async def test_no_token_is_401_without_an_error_code(door: Door) -> None:
    answer = await door.ask("GET", "/api/v1/files?secret=1")
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == ['Bearer realm="artstore"']
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"


async def test_a_token_that_expired_within_the_clock_skew_passes(door: Door) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=door.keys.token(exp=int(time.time()) - 10))
    assert answer.status_code == 200


async def test_the_scheme_has_no_case(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", headers={"Authorization": f"bearer {token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["access_token", "token", "link"])
async def test_a_token_is_taken_from_the_header_alone(door: Door, token: str, query: str) -> None:
    answer = await door.ask("GET", f"/api/v1/files?{query}={token}")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/auth/token"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/api/v1/auth/refresh"),
        ("POST", "/api/v1/auth/logout"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/docs"),
        ("GET", "/api/v1/docs/swagger-ui.css"),
        ("GET", "/api/v1/health/ready"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("OPTIONS", "/api/v1/files"),
    ],
)
async def test_what_is_public_needs_no_token(door: Door, method: str, path: str) -> None:
    answer = await door.ask(method, path)
    assert answer.status_code == 200
    assert (door.gateway.last.method, door.gateway.last.target) == (method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1"),
        ("GET", "/api/v1/auth/me"),
        ("POST", "/api/v1/auth/token/x"),
        ("POST", "/api/v1/auth/tokens"),
        ("GET", "/api/v1/docsecret"),
        ("GET", "/api/v1/files/0198c0de/download"),
        ("GET", "/api/v1/files/0198c0de/download?link=abc"),
        ("GET", "/api/v1/files/0198c0de?link=abc"),
        ("GET", "/api/v1/docs/../files"),
        ("GET", "/api/v1/auth//me"),
    ],
)
async def test_what_lies_beside_it_does(door: Door, method: str, path: str) -> None:
    answer = await door.ask(method, path)
    assert answer.status_code == 401
    assert door.gateway.seen == []


async def test_a_bad_token_does_not_close_what_is_public(door: Door) -> None:
    answer = await door.ask("POST", "/api/v1/auth/token", headers={"Authorization": "Basic eDp5"})
    assert answer.status_code == 200


async def test_a_new_key_is_known_once_the_cache_has_expired(door: Door) -> None:
    door.keys.add("two")
    try:
        fresh = door.keys.token()
        statuses: list[int] = []
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and (not statuses or statuses[-1] != 200):
            statuses.append((await door.ask("GET", "/api/v1/files", token=fresh)).status_code)
        assert statuses[-1] == 200
    finally:
        door.keys.keys.pop()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/auth/login/"),
        ("POST", "/api/v1/auth/login%20"),
        ("GET", "/api/v1/files/0198c0de/download/"),
        ("GET", "/api/v1/files/0198c0de/down%26load"),
        ("PUT", "/api/v1/files/content/"),
        ("GET", "/health/live/"),
    ],
)
async def test_an_address_has_one_spelling(door: Door, token: str, method: str, path: str) -> None:
    """Another one would pass by the rules for it: limits, buffers, times."""
    answer = await door.ask(method, path, token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert door.gateway.seen == []


async def test_a_protocol_is_not_upgraded_and_the_token_not_blamed(door: Door, token: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    answer = await door.ask("GET", "/api/v1/files", token=token, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "www-authenticate" not in answer.headers
