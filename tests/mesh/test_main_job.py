"""The main job through Envoy: a document goes in, is found, comes back, and a draft disappears."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.mesh import Mesh

FIELDS = {
    "file_id", "original_filename", "content_type", "size", "sha256", "uploaded_by", "uploaded_at", "updated_at",
    "description", "tags", "metadata", "status", "retention_policy", "ttl_days", "expires_at", "revision",
}  # fmt: skip
"""What a File shows: nothing of the element, nothing of its disk."""


def upload(client: httpx.Client, name: str, data: bytes, **metadata: Any) -> dict[str, Any]:
    said = json.dumps({"retention_policy": "permanent", **metadata})
    answer = client.post("/files/upload", files=[("metadata", (None, said)), ("file", (name, data, "application/pdf"))])
    assert answer.status_code == 201, answer.text
    file: dict[str, Any] = answer.json()
    assert answer.headers["location"].endswith(f"/api/v1/files/{file['file_id']}")
    return file


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["file_id"] for item in answer.json()["items"]]


def test_a_document_goes_in_is_found_and_comes_back(mesh: Mesh, client: httpx.Client, word: str) -> None:
    data = b"%PDF-1.7\n" + os.urandom(3 << 20)
    name = f"Договор {word} №7.pdf"
    counterparty = {"counterparty": "ООО «Ромашка»", "number": 12345678901234567890, "ratio": 0.1}
    file = upload(client, name, data, tags=["договор", word], description="первый", metadata=counterparty)
    assert set(file) == FIELDS
    assert file["original_filename"] == name
    assert file["size"] == len(data)
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert file["uploaded_by"] == mesh.info["client_id"]
    assert file["metadata"] == counterparty
    assert file["status"] == "active"
    assert file["expires_at"] is None

    ident = file["file_id"]
    assert client.get(f"/files/{ident}").json() == file
    assert ids(client.post("/search", json={"query": word[3:].upper(), "mode": "partial"})) == [ident]
    assert ids(client.post("/search", json={"query": name, "mode": "exact"})) == [ident]
    assert ids(client.post("/search", json={"query": word, "mode": "exact"})) == []
    assert ids(client.post("/search", json={"tags": ["договор", word]})) == [ident]
    assert ids(client.post("/search", json={"tags": [word], "metadata": {"ratio": 0.1}})) == [ident]
    assert ids(client.post("/search", json={"tags": [word], "size_max": 1})) == []

    whole = client.get(f"/files/{ident}/download")
    assert whole.content == data
    assert whole.headers["etag"] == f'"{file["sha256"]}"'
    first = client.get(f"/files/{ident}/download", headers={"Range": "bytes=0-99"})
    assert (first.status_code, first.content) == (206, data[:100])
    assert first.headers["content-range"] == f"bytes 0-99/{len(data)}"
    assert client.get(f"/files/{ident}/download", headers={"Range": "bytes=-7"}).content == data[-7:]
    middle = client.get(f"/files/{ident}/download", headers={"Range": "bytes=1048570-2097160"})
    assert (middle.status_code, middle.content) == (206, data[1048570:2097161])
    same = client.get(f"/files/{ident}/download", headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = client.head(f"/files/{ident}/download")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))


def test_what_lies_on_the_disk_tells_everything(mesh: Mesh, client: httpx.Client, word: str) -> None:
    data = os.urandom(1000)
    file = upload(client, f"{word}.pdf", data, tags=[word], description="на диске")
    (attributes,) = mesh.data_dir("se-rw-01").rglob(f"files/**/*{file['file_id']}.pdf.attr.json")
    said = json.loads(attributes.read_text("utf-8"))
    assert said["schema_version"] == 1
    times = {"uploaded_at", "updated_at"}
    assert {name: said[name] for name in FIELDS - times} == {name: file[name] for name in FIELDS - times}
    assert all(datetime.fromisoformat(said[name]) == datetime.fromisoformat(file[name]) for name in times)
    assert attributes.with_name(said["storage_filename"]).read_bytes() == data


def test_a_permanent_document_cannot_be_deleted(client: httpx.Client, word: str) -> None:
    ident = upload(client, word, b"x")["file_id"]
    answer = client.delete(f"/files/{ident}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MODE_NOT_ALLOWED")
    assert client.get(f"/files/{ident}").json()["status"] == "active"


def test_a_draft_has_an_end_and_can_be_deleted(client: httpx.Client, word: str) -> None:
    file = upload(client, word, b"draft", retention_policy="temporary", ttl_days=2, tags=[word])
    assert file["ttl_days"] == 2
    left = datetime.fromisoformat(file["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    path = f"/files/{file['file_id']}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204
    after = client.get(path).json()
    assert (after["status"], after["revision"]) == ("deleted", 2)
    gone = client.get(f"{path}/download")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "FILE_DELETED")
    assert ids(client.post("/search", json={"tags": [word]})) == []


def test_what_users_say_of_a_document_can_change(client: httpx.Client, word: str) -> None:
    path = f"/files/{upload(client, word, b'x', tags=['old'])['file_id']}"
    etag = client.get(path).headers["etag"]
    changed = client.patch(path, json={"tags": ["new", word]}, headers={"If-Match": etag})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["tags"], changed.json()["revision"]) == (["new", word], 2)
    late = client.patch(path, json={"description": "late"}, headers={"If-Match": etag})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert ids(client.post("/search", json={"tags": [word]})) == [path.rpartition("/")[2]]


def test_an_empty_document_is_a_document(client: httpx.Client, word: str) -> None:
    file = upload(client, word, b"")
    assert file["size"] == 0
    assert client.get(f"/files/{file['file_id']}/download").content == b""


def test_pages_join_without_gaps(client: httpx.Client, word: str) -> None:
    wanted = {upload(client, f"{word} {n}", b"x", tags=[word])["file_id"] for n in range(5)}
    for step in ("cursor", "offset"):
        seen: list[str] = []
        page: dict[str, Any] = {"tags": [word], "limit": 2}
        while True:
            body = client.post("/search", json=page).json()
            assert (body["total"], body["limit"]) == (5, 2)
            seen += [item["file_id"] for item in body["items"]]
            if not body["has_more"]:
                break
            page[step] = body["next_cursor"] if step == "cursor" else len(seen)
        assert len(seen) == 5
        assert set(seen) == wanted


def test_elements_are_listed_without_what_is_internal_elsewhere(client: httpx.Client) -> None:
    listed = client.get("/storage-elements").json()["items"]
    seen = {element["storage_id"]: (element["mode"], element["status"]) for element in listed}
    assert seen == {"se-edit-01": ("edit", "online"), "se-rw-01": ("rw", "online")}
    one = client.get(f"/storage-elements/{listed[0]['id']}").json()
    assert one["storage_id"] == listed[0]["storage_id"]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/auth/jwks", "/openapi.json", "/docs"])
def test_some_paths_need_no_token(mesh: Mesh, path: str) -> None:
    with mesh.client() as client:
        assert client.get(path).status_code == 200


def test_the_docs_page_loads_nothing_from_elsewhere(mesh: Mesh) -> None:
    with mesh.client() as client:
        page = client.get("/docs").text
        assert "http://" not in page
        assert "https://" not in page.replace(mesh.info["base_url"], "")
        assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
