"""What reaches the gateway, and in what form."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from tests.service.envoy.conftest import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_gateway_is_called_with_the_certificate_of_the_edge(door: Door, token: str) -> None:
    await door.ask("GET", "/api/v1/files", token=token)
    assert door.gateway.last.caller == "edge"


async def test_only_what_envoy_saw_is_told_about_the_client(door: Door, token: str) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Client-Cert": "By=spiffe://artstore/admin",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "X-Envoy-External-Address": "203.0.113.9",
        "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
        "X-Envoy-Retry-On": "5xx",
        "Artstore-On-Behalf-Of": '{"sub": "root"}',
    }
    await door.ask("GET", "/api/v1/files", token=token, headers=forged)
    headers = door.gateway.last.headers
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    gone = {name.lower() for name in forged} - {"x-forwarded-for", "x-forwarded-proto"}
    assert gone & headers.keys() == set()
    assert "203.0.113.9" not in json.dumps(headers)


@pytest.mark.parametrize("given", ["my-request_1.2", "A" * 128, "3f1c2a8e-5b0d-4c6e-9a57-1d2e3f405162"])
async def test_a_valid_request_id_is_kept(door: Door, token: str, given: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=token, headers={"X-Request-Id": given})
    assert door.gateway.last.headers["x-request-id"] == given
    assert answer.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "A" * 129, 'quo"te', "a b", "<script>"])
async def test_another_request_id_is_replaced(door: Door, token: str, given: str) -> None:
    await door.ask("GET", "/api/v1/files", token=token, headers={"X-Request-Id": given})
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", door.gateway.last.headers["x-request-id"])
    refused = await door.ask("GET", "/api/v1/files", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", refused.headers["x-request-id"])
    assert refused.json()["error"]["request_id"] == refused.headers["x-request-id"]


async def test_without_a_request_id_there_is_one(door: Door, token: str) -> None:
    await door.ask("GET", "/api/v1/files", token=token)
    assert door.gateway.last.headers["x-request-id"]


async def test_an_error_of_envoy_carries_the_callers_request_id(door: Door) -> None:
    answer = await door.ask("GET", "/nothing", headers={"X-Request-Id": "mine"})
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"] == "mine"


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        ("/api/v1//files", "/api/v1/files"),
        ("/api/v1/x/../files", "/api/v1/files"),
        ("/api/v1/%66iles", "/api/v1/files"),
    ],
)
async def test_a_path_has_one_spelling(door: Door, token: str, asked: str, arrives: str) -> None:
    await door.ask("GET", asked, token=token, extensions={"target": asked.encode()})
    assert door.gateway.last.target == arrives


async def test_the_query_arrives_as_it_was_sent(door: Door, token: str) -> None:
    target = "/api/v1/files/content2?filename=a%2Fb%20%D1%8B..%2F..%2Fc&tags=%26"
    await door.ask("PUT", "/", token=token, extensions={"target": target.encode()})
    assert door.gateway.last.target == target


async def test_the_answer_does_not_tell_what_stands_behind(door: Door, token: str) -> None:
    answer = await door.ask("GET", "/api/v1/files", token=token)
    assert answer.headers.get_list("server") == ["artstore"]
    assert [name for name in answer.headers if name.startswith("x-envoy")] == []


async def test_the_access_log_holds_no_query_and_no_token(door: Door, token: str) -> None:
    secret = "s3cr3t" + uuid.uuid4().hex
    answer = await door.ask("GET", f"/api/v1/files/{secret[6:]}/download?link={secret}", token=token)
    assert answer.status_code == 200
    await door.ask("GET", "/api/v1/files", headers={"X-Request-Id": "last"}, token=token)
    lines = await door.logged(until="last")
    mine = [line for line in lines if secret[6:] in line["path"]]
    assert [(line["method"], line["status"], line["path"]) for line in mine] == [
        ("GET", 200, f"/api/v1/files/{secret[6:]}/download")
    ]
    text = door.access_log.read_text()
    assert secret not in text
    assert token not in text
