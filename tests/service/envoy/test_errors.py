"""Envoy's own errors, in the one format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.service.envoy.conftest import Door, Doors
from tests.service.envoy.fake_gateway import NEVER

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUSES = {
    400: (400, "VALIDATION_ERROR"),
    404: (404, "NOT_FOUND"),
    408: (408, "DEADLINE_EXCEEDED"),
    413: (413, "FILE_TOO_LARGE"),
    426: (426, "VALIDATION_ERROR"),
    429: (429, "RATE_LIMITED"),
    431: (431, "VALIDATION_ERROR"),
    500: (500, "INTERNAL_ERROR"),
    502: (503, "SERVICE_UNAVAILABLE"),
    503: (503, "SERVICE_UNAVAILABLE"),
    504: (504, "DEADLINE_EXCEEDED"),
    505: (505, "INTERNAL_ERROR"),
}
"""What Envoy would answer, and what it answers instead."""


def manager(configuration: dict[str, Any]) -> dict[str, Any]:
    listener = configuration["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def make_impatient(configuration: dict[str, Any]) -> None:
    """Timeouts that a test can wait for, and a path that makes Envoy answer with each status."""
    edge = manager(configuration)
    edge["request_headers_timeout"] = "0.5s"
    routes = edge["route_config"]["virtual_hosts"][0]["routes"]
    for route in routes:
        if "max_stream_duration" in route.get("route", {}):
            route["route"]["max_stream_duration"] = {"max_stream_duration": "0.5s"}
    routes[:0] = [
        {"match": {"path": f"/made-to-fail/{status}"}, "direct_response": {"status": status}} for status in STATUSES
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(doors: Doors) -> AsyncIterator[Door]:
    door = await doors.open("impatient", change=make_impatient)
    yield door
    await doors.close(door)


@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_has_a_code_of_ours(impatient: Door, status: int) -> None:
    answer = await impatient.ask("GET", f"/made-to-fail/{status}")
    expected_status, code = STATUSES[status]
    assert answer.status_code == expected_status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (expected_status in {429, 503})


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/metrics", "/api", "/api/v2/files", "/api/v10/files", "/.well-known"]
)
async def test_an_unknown_path_is_404(door: Door, token: str, path: str) -> None:
    answer = await door.ask("GET", path, token=token)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"
    assert door.gateway.seen == []


@pytest.mark.parametrize("target", ["/api/v1/files%2Fx", "/api/v1%5cfiles", "/api/v1/%2e%2e%2fadmin"])
async def test_escaped_slashes_are_refused(door: Door, token: str, target: str) -> None:
    answer = await door.ask("GET", "/", token=token, extensions={"target": target.encode()})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_header_names_with_underscores_are_refused(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=token, headers={"X_Forwarded_For": "1.2.3.4"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_headers_that_are_too_large_are_refused(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=token, headers={"X-Large": "x" * 40_000})
    assert answer.status_code == 431
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_headers_that_do_not_end_are_408(impatient: Door) -> None:
    reader, writer = await asyncio.open_connection("localhost", impatient.port, ssl=impatient.context)
    writer.write(b"GET /api/v1/files HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert b" 408 " in head.split(b"\r\n")[0]
    assert b"DEADLINE_EXCEEDED" in body


async def test_an_answer_that_does_not_come_is_504(impatient: Door) -> None:
    answer = await impatient.ask("GET", NEVER, token=impatient.keys.token())
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_question_that_does_not_end_is_408(impatient: Door) -> None:
    reader, writer = await asyncio.open_connection("localhost", impatient.port, ssl=impatient.context)
    writer.write(
        f"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {impatient.keys.token()}\r\n"
        "Content-Length: 100\r\n\r\n{".encode()
    )
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert b" 408 " in head.split(b"\r\n")[0]
    assert b"DEADLINE_EXCEEDED" in body


async def test_errors_for_grpc_stay_plain_grpc(door: Door) -> None:
    answer = await door.ask("POST", "/api/v1/files", headers={"Content-Type": "application/grpc+proto"})
    assert answer.status_code == 200
    assert answer.headers["grpc-status"] == "16"
    assert b"error" not in answer.content
