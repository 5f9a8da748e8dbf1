"""The public gRPC services as JSON under /rpc/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.mesh import TIMEOUT, Mesh

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture
def rpc(mesh: Mesh, token: str) -> Iterator[httpx.Client]:
    """A client of /rpc/v1 with every scope."""
    bearer = {"Authorization": f"Bearer {token}"}
    base = mesh.info["base_url"] + "/rpc/v1"
    with httpx.Client(base_url=base, verify=mesh.tls(), headers=bearer, timeout=TIMEOUT, trust_env=False) as made:
        yield made


@pytest.fixture
def document(client: httpx.Client, word: str) -> dict[str, Any]:
    """A fresh document of one byte."""
    about = {"filename": f"{word}.txt", "retention_policy": "temporary", "tags": word}
    answer = client.put("/files/content", params=about, content=b"a")
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def refused(answer: httpx.Response, status: int, code: int, reason: str) -> None:
    """The answer is a google.rpc.Status with the reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert (body["code"], body["details"][0]["reason"]) == (code, reason)
    assert body["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert body["message"]


def test_a_document_is_found_read_changed_and_deleted(rpc: httpx.Client, document: dict[str, Any], word: str) -> None:
    ident = document["file_id"]
    found = rpc.post("/query/search", json={"tags": [word]}).json()
    assert [hit["file"]["file_id"] for hit in found["hits"]] == [ident]
    assert rpc.get(f"/query/files/{ident}").json()["file"]["original_filename"] == f"{word}.txt"
    change = {"change": {"description": "новое"}, "expected_revision": document["revision"]}
    changed = rpc.patch(f"/ingester/files/{ident}", json=change)
    assert changed.json()["file"]["description"] == "новое"
    assert rpc.delete(f"/ingester/files/{ident}").json()["file"]["status"] == "FILE_STATUS_DELETED"


def test_names_and_defaults_are_as_in_the_protos(rpc: httpx.Client) -> None:
    page = rpc.get("/admin/elements", params={"page.limit": 1}).json()
    assert page["elements"][0]["status_reason"] == ""  # a default is shown
    assert page["page"]["has_more"] is True
    assert page["page"]["total"] == "2"  # 64 bits: text, as the JSON mapping of protobuf has it


def test_a_watch_is_a_line_of_json_for_each_message(rpc: httpx.Client) -> None:
    with rpc.stream("GET", "/admin/watch/elements") as answer:
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        lines = answer.iter_lines()
        told = [json.loads(next(lines))["element"]["storage_id"] for _ in range(2)]
    assert sorted(told) == ["se-edit-01", "se-rw-01"]


def test_an_error_is_a_status_with_its_details(rpc: httpx.Client) -> None:
    refused(rpc.get(f"/query/files/{UNKNOWN}"), 404, 5, "NOT_FOUND")
    refused(rpc.get("/query/files/x"), 400, 3, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/query/nothing", "/admin/placement", "/nothing/here", "/", "/ingester/files"])
def test_an_unknown_path_is_404(rpc: httpx.Client, path: str) -> None:
    refused(rpc.get(path), 404, 5, "NOT_FOUND")


def test_an_unknown_parameter_is_400_and_so_is_what_is_no_json(rpc: httpx.Client) -> None:
    refused(rpc.get("/admin/elements", params={"colour": "red"}), 400, 3, "VALIDATION_ERROR")
    refused(rpc.post("/query/search", content=b"{nope"), 400, 3, "VALIDATION_ERROR")


def test_without_a_valid_token_it_is_401(mesh: Mesh, rpc: httpx.Client) -> None:
    refused(rpc.get("/admin/elements", headers={"Authorization": "Bearer garbage"}), 401, 16, "UNAUTHORIZED")
    with mesh.client() as stranger:
        refused(stranger.get(f"{mesh.info['base_url']}/rpc/v1/admin/elements"), 401, 16, "UNAUTHORIZED")


def test_without_the_scope_it_is_403(mesh: Mesh, rpc: httpx.Client) -> None:
    weak = {"Authorization": f"Bearer {mesh.token('files:read')}"}
    refused(rpc.get("/admin/elements", headers=weak), 403, 7, "FORBIDDEN")


def test_a_body_that_is_too_large_is_413(rpc: httpx.Client) -> None:
    refused(rpc.post("/query/search", json={"query": "x" * (2 << 20)}), 413, 3, "FILE_TOO_LARGE")
