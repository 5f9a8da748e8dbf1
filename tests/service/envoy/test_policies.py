"""CORS, rate limits, compression and limits on bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.service.envoy.conftest import Door, Doors
from tests.service.envoy.fake_gateway import LARGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://app.example.org"
DOWNLOAD = "/api/v1/files/0198c0de/download"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(doors: Doors) -> AsyncIterator[Door]:
    """Lets one origin in, and few requests: 20 for tokens at once, then one a second; 2 times 20 of the others."""
    door = await doors.open("strict", cors_origins=[PAGE], auth_rate=1, rate=20)
    yield door
    await doors.close(door)


async def test_no_web_page_may_call_unless_it_is_said(door: Door, token: str) -> None:
    asked = await door.ask("OPTIONS", "/api/v1/files", headers={"Origin": PAGE, **PREFLIGHT})
    answer = await door.ask("GET", "/api/v1/files", token=token, headers={"Origin": PAGE})
    for each in (asked, answer):
        assert not [name for name in each.headers if name.startswith("access-control-")]


async def test_a_page_of_a_named_origin_may_call(strict: Door) -> None:
    asked = await strict.ask("OPTIONS", "/api/v1/files/content", headers={"Origin": PAGE, **PREFLIGHT})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in asked.headers
    answer = await strict.ask("GET", "/api/v1/files", token=strict.keys.token(), headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


async def test_a_page_of_another_origin_may_not(strict: Door) -> None:
    other = {"Origin": PAGE + ".evil.test"}
    answer = await strict.ask("GET", "/api/v1/files", token=strict.keys.token(), headers=other)
    assert "access-control-allow-origin" not in answer.headers


async def ask_often(client: httpx.AsyncClient, path: str, times: int, headers: dict[str, str]) -> list[httpx.Response]:
    return [await client.post(path, headers=headers) for _ in range(times)]


async def test_who_asks_for_tokens_too_often_must_wait_and_others_are_not_hindered(strict: Door) -> None:
    async with strict.client() as client:
        answers = await ask_often(client, "/api/v1/auth/token", 30, {})
        refused = [each for each in answers if each.status_code == 429]
        assert [each.status_code for each in answers[:20]] == [200] * 20
        assert len(refused) >= 5
        assert refused[0].headers["retry-after"] == "1"
        error = refused[0].json()["error"]
        assert error["code"] == "RATE_LIMITED"
        assert error["request_id"] == refused[0].headers["x-request-id"]
        # A query does not make it another path; another class has a bucket of its own.
        assert (await client.post("/api/v1/auth/token?x=1")).status_code == 429
        assert (await client.get("/api/v1/auth/jwks")).status_code == 200
        # What a password or a code is tried at as well counts with it.
        headers = {"Authorization": f"Bearer {strict.keys.token()}"}
        for path in ("change-password", "totp/confirm"):
            assert (await client.post(f"/api/v1/auth/{path}", headers=headers)).status_code == 429


async def test_grpc_is_told_resource_exhausted(doors: Doors) -> None:
    door = await doors.open("hasty", rate=1)
    try:
        async with door.client() as client:
            path = "/artstore.query.v1.QueryService/GetFile"
            answers = await ask_often(client, path, 10, {"Content-Type": "application/grpc"})
        assert [each.status_code for each in answers] == [200] * 10
        assert {each.headers["grpc-status"] for each in answers} == {"16", "8"}  # the first two lacked a token
    finally:
        await doors.close(door)


async def test_json_is_compressed_and_its_etag_weakened(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files?large", token=token, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["etag"] == 'W/"one"'
    assert len(answer.json()["filling"]) == LARGE
    plain = await door.ask("GET", "/api/v1/files?large", token=token, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] == '"one"'


async def test_downloads_are_never_compressed(door: Door, token: str) -> None:
    answer = await door.ask("GET", f"{DOWNLOAD}?large", token=token, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"] == '"one"'
    assert int(answer.headers["content-length"]) > LARGE


@pytest.mark.parametrize("declared", [True, False])
async def test_json_of_more_than_a_mebibyte_is_413(door: Door, token: str, declared: bool) -> None:
    body = b"x" * ((1 << 20) + 1)

    async def parts() -> AsyncIterator[bytes]:
        yield body

    answer = await door.ask("POST", "/api/v1/search", token=token, content=body if declared else parts())
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "FILE_TOO_LARGE"
    assert door.gateway.seen == []
