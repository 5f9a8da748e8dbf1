"""Whatever goes wrong: one format, the right status, the request's id, and no word about our inside."""

from __future__ import annotations

import json

import pytest

from services.model.errors import (
    ERRORS,
    ErrorCode,
    FieldProblem,
    InternalError,
    NoElementAvailable,
    RateLimited,
    ServiceUnavailable,
    ValidationFailed,
)
from tests.doubles.behind_the_edge import Behind, new_id
from tests.service.gateway.edge import Edge, error_of, fields_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/api/v1/nothing-here", "/", "/nothing", "/api/v1", "/api/v1/files/a/b/c"])
async def test_an_unknown_path_is_404(edge: Edge, path: str) -> None:
    answer = await edge.call("GET", path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "NOT_FOUND")


async def test_a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes(edge: Edge) -> None:
    answer = await edge.call("POST", "/api/v1/files", json={})
    assert (answer.status_code, error_of(answer)["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["allow"]


async def test_a_valid_request_id_comes_back_and_goes_inside(edge: Edge, behind: Behind) -> None:
    answer = await edge.call("GET", "/api/v1/files", headers={"X-Request-Id": "my.Request_id-1"})
    assert answer.headers.get_list("x-request-id") == ["my.Request_id-1"]
    assert set(behind.request_ids) == {"my.Request_id-1"}


@pytest.mark.parametrize("given", ["", "a" * 129, "with space", "ünicode".encode(), 'quote"'])
async def test_an_invalid_request_id_is_replaced(edge: Edge, given: str | bytes) -> None:
    answer = await edge.call("GET", "/api/v1/files", headers={"X-Request-Id": given})  # type: ignore[dict-item]
    (found,) = answer.headers.get_list("x-request-id")
    assert found
    assert found.encode() != given


async def test_each_request_gets_an_id_of_its_own(edge: Edge) -> None:
    first, second = [await edge.call("GET", "/nothing") for _ in range(2)]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.INTERNAL_ERROR])
async def test_every_code_reaches_the_client_as_itself(edge: Edge, behind: Behind, code: ErrorCode) -> None:
    behind.failures["GetFile"] = ERRORS[code]("What happened.", [FieldProblem("name", "is odd")])
    answer = await edge.call("GET", f"/api/v1/files/{new_id()}")
    error = error_of(answer)
    assert (error["code"], error["message"]) == (code.value, "What happened.")
    assert error["details"] == [{"field": "name", "message": "is odd"}]


async def test_a_fault_of_ours_is_logged_and_not_shown(edge: Edge, behind: Behind) -> None:
    behind.failures["GetFile"] = InternalError("the table files_v7 is corrupt")
    answer = await edge.call("GET", f"/api/v1/files/{new_id()}")
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (500, "INTERNAL_ERROR")
    assert "files_v7" not in answer.text
    lines = [line for line in edge.process.log.splitlines() if error["request_id"] in line]
    assert len(lines) == 1
    assert json.loads(lines[0])["level"] == "error"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServiceUnavailable("away", retry_after=0.2), "1"),
        (ServiceUnavailable("away", retry_after=7.5), "8"),
        (ServiceUnavailable("away"), "2"),
        (NoElementAvailable("none"), "30"),
        (RateLimited("slowly"), "1"),
    ],
)
async def test_retry_after_says_when(edge: Edge, behind: Behind, error: ServiceUnavailable, expected: str) -> None:
    behind.failures["Search"] = error
    answer = await edge.call("GET", "/api/v1/files")
    assert answer.headers["retry-after"] == expected


async def test_no_token_is_401_with_a_challenge_that_names_no_error(edge: Edge) -> None:
    answer = await edge.call("GET", "/api/v1/files", token=None)
    assert (answer.status_code, error_of(answer)["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == 'Bearer realm="artstore"'


@pytest.mark.parametrize("header", ["Bearer garbage", "Basic YTpi", "Bearer", "Bearer a.b.c", ""])
async def test_a_bad_token_is_401_invalid_token(edge: Edge, header: str) -> None:
    answer = await edge.call("GET", "/api/v1/files", token=None, headers={"Authorization": header})
    assert (answer.status_code, error_of(answer)["code"]) == (401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_an_expired_token_and_one_for_somebody_else_are_401(edge: Edge, behind: Behind) -> None:
    for token in (edge.token(exp=1000), edge.token(aud="else"), edge.token(iss="https://else")):
        assert (await edge.call("GET", "/api/v1/files", token=token)).status_code == 401
    assert behind.calls == []


async def test_a_missing_scope_is_403(edge: Edge) -> None:
    answer = await edge.call("GET", "/api/v1/files", token=edge.token(scope="storage:read"))
    assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_a_service_that_is_away_is_503(edge: Edge) -> None:
    await edge.servers.stop("query")
    try:
        answer = await edge.call("GET", "/api/v1/files")
        assert (answer.status_code, error_of(answer)["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        await edge.restart("query")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"\xff{}", "body"),
        (b"{} {}", "body"),
        (b'{"query": NaN}', "body"),
        (b'{"metadata": {"a": Infinity}}', "body"),
        (b'{"metadata": {"a": 1e999}}', "metadata[...]"),
        (b'{"metadata":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "body"),
        (b'{"metadata": {"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "body"),
        (b'{"mode": "telepathic"}', "mode"),
        (b'{"colour": 1}', "colour"),
        (b'{"tags": ["a", 1]}', "tags[1]"),
        (b'{"limit": 1001}', "limit"),
        (b'{"limit": "ten"}', "limit"),
        (b'{"offset": -1}', "offset"),
        (b'{"offset": 1, "cursor": "x"}', "cursor"),
        (b'{"size_min": -1}', "size_min"),
        (b'{"size_min": 99999999999999999999999}', "size_min"),
        (b'{"uploaded_after": "yesterday"}', "uploaded_after"),
        (b'{"uploaded_after": "2026-01-01T00:00:00"}', "uploaded_after"),
        (b'{"uploaded_after": "0001-01-01T00:00:00+14:00"}', "uploaded_after"),
        (b'{"uploaded_before": "9999-12-31T23:59:59-12:00"}', "uploaded_before"),
        (b'{"query": "a\\u0000b"}', "query"),
        (b'{"query": "\\ud800"}', "body"),
    ],
)
async def test_a_body_that_is_wrong_is_400_naming_the_field(edge: Edge, body: bytes, field: str) -> None:
    answer = await edge.call(
        "POST", "/api/v1/search", content=body, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert fields_of(answer) == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=1000000000", "limit"),
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("offset=-1", "offset"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("status=lost", "status"),
        ("filename=%ff", "query"),
        ("uploaded_before=soon", "uploaded_before"),
        ("&".join(f"tags={n}" for n in range(1001)), "query"),
    ],
)
async def test_parameters_that_are_wrong_are_400_naming_the_field(edge: Edge, query: str, field: str) -> None:
    assert fields_of(await edge.call("GET", f"/api/v1/files?{query}")) == [field]


async def test_a_body_that_is_not_json_is_415(edge: Edge) -> None:
    answer = await edge.call("POST", "/api/v1/search", data={"query": "x"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_large_body_is_413(edge: Edge) -> None:
    answer = await edge.call("POST", "/api/v1/search", json={"query": "x" * (1 << 20)})
    assert (answer.status_code, error_of(answer)["code"]) == (413, "FILE_TOO_LARGE")


async def test_an_id_that_is_none_is_refused(edge: Edge, behind: Behind) -> None:
    for method in ("GET", "DELETE"):
        assert fields_of(await edge.call(method, "/api/v1/files/not-an-id")) == ["file_id"]
    assert fields_of(await edge.call("GET", "/api/v1/storage-elements/not-an-id")) == ["element_id"]
    assert behind.calls == []


async def test_problems_that_a_service_finds_keep_their_fields(edge: Edge, behind: Behind) -> None:
    problems = [FieldProblem("cursor", "belongs to another search"), FieldProblem("limit", "too much")]
    behind.failures["Search"] = ValidationFailed.listing(problems)
    assert fields_of(await edge.call("GET", "/api/v1/files")) == ["cursor", "limit"]


async def test_answers_tell_nothing_about_the_server(edge: Edge) -> None:
    answer = await edge.call("GET", "/api/v1/health/live", token=None)
    assert "server" not in answer.headers
    assert "date" in answer.headers
