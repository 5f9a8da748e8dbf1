"""The gateway is away, comes back, breaks off, or is somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.service.envoy.conftest import Door, Doors
from tests.service.envoy.fake_gateway import BREAKS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def impostor(doors: Doors) -> AsyncIterator[Door]:
    door = await doors.open("impostor", gateway_module="query")
    yield door
    await doors.close(door)


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/files"), ("POST", "/api/v1/files/upload")])
async def test_without_a_gateway_it_is_503(door: Door, token: str, method: str, path: str) -> None:
    await door.gateway.stop()
    try:
        answer = await door.ask(method, path, token=token)
    finally:
        await door.gateway.start()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert answer.headers["retry-after"] == "1"


async def test_a_restarted_gateway_is_used_at_once(door: Door, token: str) -> None:
    for _ in range(3):
        await door.gateway.stop()
        assert (await door.ask("POST", "/api/v1/search", token=token)).status_code == 503
        await door.gateway.start()
        assert (await door.ask("POST", "/api/v1/search", token=token)).status_code == 200


async def test_a_question_waits_for_a_gateway_that_is_restarting(door: Door, token: str) -> None:
    await door.gateway.stop()
    asking = asyncio.create_task(door.ask("GET", "/api/v1/files", token=token))
    await door.until_stat("cluster.gateway.upstream_rq_retry", at_least=1)
    await door.gateway.start()
    assert (await asking).status_code == 200


async def test_known_keys_are_used_on_while_new_ones_cannot_be_fetched(door: Door, token: str) -> None:
    await door.gateway.stop()
    try:
        # Longer than the cache of this test lives.
        await door.until_stat("http.edge.jwt_authn.jwks_fetch_failed", at_least=3)
        known = await door.ask("POST", "/api/v1/search", token=token)
        unknown = await door.ask("POST", "/api/v1/search", token="garbage")
    finally:
        await door.gateway.start()
    assert (known.status_code, unknown.status_code) == (503, 401)


@pytest.mark.parametrize(("method", "path", "asked_again"), [("GET", BREAKS[0], True), ("PUT", BREAKS[1], False)])
async def test_only_questions_are_asked_again_when_the_gateway_breaks_off_before_it_answers(
    door: Door, token: str, method: str, path: str, asked_again: bool
) -> None:
    """A gateway that stops may close a connection on which a request is arriving: nobody knows whether it was read."""
    answer = await door.ask(method, path, token=token)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert {seen.path for seen in door.gateway.seen} == {path}
    assert (len(door.gateway.seen) > 1) == asked_again


async def test_a_gateway_that_cannot_prove_its_name_is_not_talked_to(impostor: Door) -> None:
    answer = await impostor.ask("POST", "/api/v1/auth/token")
    assert answer.status_code == 503
    assert impostor.gateway.seen == []
