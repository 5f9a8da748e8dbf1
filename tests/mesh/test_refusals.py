"""Bad input through Envoy: each refusal has its status and code, the one format, and leaves nothing behind."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.mesh import Mesh

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of an answer in the one format, which it must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code, answer.text
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


def upload(client: httpx.Client, metadata: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    """Upload the one byte "a" as a.txt."""
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    return client.post(
        "/files/upload", files=[("metadata", (None, text)), ("file", ("a.txt", b"a", "text/plain"))], headers=headers
    )


def left_on_disk(mesh: Mesh) -> set[Path]:
    """Every temporary of both elements."""
    folders = [mesh.data_dir(name) for name in ("se-edit-01", "se-rw-01")]
    return {path for folder in folders for path in (folder / "incoming").rglob("*") if path.is_file()}


@pytest.mark.parametrize("path", ["/files", f"/files/{UNKNOWN}", f"/files/{UNKNOWN}/download", "/storage-elements"])
@pytest.mark.parametrize("bearer", [None, "garbage", "a.b.c", "a b"])
def test_no_valid_token_is_401(mesh: Mesh, path: str, bearer: str | None) -> None:
    with mesh.client(bearer) as client:
        answer = client.get(path)
    refused(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].lower().startswith("bearer")


def test_an_upload_without_a_token_is_401_before_its_bytes(mesh: Mesh) -> None:
    with mesh.client() as client:
        refused(upload(client, {"retention_policy": "temporary"}), 401, "UNAUTHORIZED")


def test_a_missing_scope_is_403(mesh: Mesh) -> None:
    with mesh.client(mesh.token("files:read")) as client:
        refused(upload(client, {"retention_policy": "temporary"}), 403, "FORBIDDEN")
        refused(client.delete(f"/files/{UNKNOWN}"), 403, "FORBIDDEN")
        refused(client.get("/storage-elements"), 403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/files/{UNKNOWN}"),
        ("GET", f"/files/{UNKNOWN}/download"),
        ("DELETE", f"/files/{UNKNOWN}"),
        ("GET", "/nothing-here"),
        ("GET", "/../../etc/passwd"),
        ("GET", f"/storage-elements/{UNKNOWN}"),
    ],
)
def test_what_is_unknown_is_404(client: httpx.Client, method: str, path: str) -> None:
    refused(client.request(method, path), 404, "NOT_FOUND")


def test_an_unknown_path_at_the_root_is_404(mesh: Mesh) -> None:
    with mesh.client() as client:
        refused(client.get(mesh.info["base_url"] + "/nothing-here"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("field", "metadata"),
    [
        ("metadata", "{nope"),
        ("metadata", "[]"),
        ("metadata", ""),
        ("colour", {"retention_policy": "permanent", "colour": 1}),
        ("retention_policy", {}),
        ("retention_policy", {"retention_policy": "eternal"}),
        ("ttl_days", {"retention_policy": "temporary", "ttl_days": 0}),
        ("ttl_days", {"retention_policy": "temporary", "ttl_days": 366}),
        ("ttl_days", {"retention_policy": "temporary", "ttl_days": 1.5}),
        ("ttl_days", {"retention_policy": "temporary", "ttl_days": "1"}),
        ("ttl_days", {"retention_policy": "permanent", "ttl_days": 1}),
        ("tags", {"retention_policy": "permanent", "tags": "договор"}),
        ("tags", {"retention_policy": "permanent", "tags": [""]}),
        ("description", {"retention_policy": "permanent", "description": "\0"}),
        ("metadata", {"retention_policy": "permanent", "metadata": []}),
    ],
)
def test_bad_metadata_is_400_and_names_the_field(client: httpx.Client, field: str, metadata: Any) -> None:
    error = refused(upload(client, metadata), 400, "VALIDATION_ERROR")
    assert field in {detail["field"] for detail in error["details"]}


def test_metadata_that_do_not_fit_are_422(client: httpx.Client) -> None:
    big = {"retention_policy": "temporary", "description": "д" * 3000}
    refused(upload(client, big), 422, "METADATA_TOO_LARGE")


@pytest.mark.parametrize("digest", ["sha-256=:%s:", "sha-512=:AAAA:, sha-256=:%s:"])
def test_a_wrong_digest_is_refused_and_nothing_is_kept(
    mesh: Mesh, client: httpx.Client, word: str, digest: str
) -> None:
    wrong = base64.b64encode(hashlib.sha256(b"something else").digest()).decode()
    answer = upload(client, {"retention_policy": "temporary", "tags": [word]}, {"Repr-Digest": digest % wrong})
    refused(answer, 400, "CHECKSUM_MISMATCH")
    assert client.post("/search", json={"tags": [word]}).json()["total"] == 0
    assert left_on_disk(mesh) == set()


def test_a_right_digest_is_accepted(client: httpx.Client) -> None:
    right = base64.b64encode(hashlib.sha256(b"a").digest()).decode()
    answer = upload(client, {"retention_policy": "temporary"}, {"Repr-Digest": f"sha-256=:{right}:"})
    assert answer.status_code == 201


NAMES = [
    "../../etc/passwd", "..", ".", ".hidden", "a" * 300 + ".txt", "ы" * 300 + ".txt", 'quo"te.txt', "back\\slash.txt",
    "tab\tname.txt", "line\nbreak.txt", "\u202egpj.exe", "con.txt", "semi;colon.txt", "%41.txt", "a b.txt", "\x01.txt",
    "🙂.pdf", "e\u0301.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_is_stored_safely_and_returned_exactly(mesh: Mesh, client: httpx.Client, name: str) -> None:
    answer = client.put(
        "/files/content", params={"filename": name, "retention_policy": "temporary"}, content=name.encode()
    )
    assert answer.status_code == 201, answer.text
    ident = answer.json()["file_id"]
    assert answer.json()["original_filename"] == name
    assert client.get(f"/files/{ident}").json()["original_filename"] == name
    back = client.get(f"/files/{ident}/download")
    assert back.content == name.encode()
    assert not any(c in back.headers["content-disposition"] for c in "\r\n\0")
    outside = [p for p in mesh.home.rglob("*passwd*") if "files" not in p.parts]
    assert outside == []


@pytest.mark.parametrize("given", ["bytes=5-", "bytes=100-200", "bytes=1-1"])
def test_a_range_beyond_the_end_is_416(client: httpx.Client, given: str) -> None:
    ident = upload(client, {"retention_policy": "temporary"}).json()["file_id"]
    answer = client.get(f"/files/{ident}/download", headers={"Range": given})
    refused(answer, 416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == "bytes */1"


class RawUpload:
    """An upload over a bare TLS socket, which may stop anywhere."""

    def __init__(self, mesh: Mesh, token: str) -> None:
        url = urlsplit(mesh.info["base_url"])
        assert url.hostname
        assert url.port
        plain = socket.create_connection((url.hostname, url.port), 20)
        self._socket = mesh.tls().wrap_socket(plain, server_hostname=url.hostname)
        self._head = f"Host: {url.netloc}\r\nAuthorization: Bearer {token}\r\n"

    def begin(self, path: str, *headers: str, method: str = "PUT") -> None:
        lines = "".join(f"{header}\r\n" for header in headers)
        self._socket.sendall(f"{method} /api/v1{path} HTTP/1.1\r\n{self._head}{lines}\r\n".encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and body; the body must be JSON."""
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        return response.status, json.loads(response.read())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def raw(mesh: Mesh, token: str) -> Iterator[RawUpload]:
    made = RawUpload(mesh, token)
    yield made
    made.close()


LIMIT = 1 << 30
"""The elements' default."""


def test_a_declared_size_beyond_the_limit_is_413_before_the_bytes(mesh: Mesh, raw: RawUpload) -> None:
    raw.begin("/files/content?filename=big&retention_policy=temporary", f"Content-Length: {LIMIT + 1}")
    status, body = raw.answer()
    assert (status, body["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert left_on_disk(mesh) == set()


def eventually_nothing_left(mesh: Mesh) -> None:
    """The element learns of a cut connection a moment later than the client that cut it."""
    ends = time.monotonic() + 10
    while left_on_disk(mesh) and time.monotonic() < ends:
        time.sleep(0.05)
    assert left_on_disk(mesh) == set()


@pytest.mark.parametrize("kind", ["multipart", "raw", "chunked"])
def test_a_cut_connection_leaves_nothing(mesh: Mesh, client: httpx.Client, token: str, word: str, kind: str) -> None:
    """At a random byte, eight times for each kind of body."""
    data = os.urandom(3 << 20)
    mark = secrets.token_hex(8)
    form = (
        f'--{mark}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
        f'{json.dumps({"retention_policy": "temporary", "tags": [word]})}\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{word}"\r\n\r\n'
    ).encode() + data + f"\r\n--{mark}--\r\n".encode()  # fmt: skip
    target = f"/files/content?filename={word}&retention_policy=temporary&tags={word}"
    for _ in range(8):
        upload = RawUpload(mesh, token)
        if kind == "multipart":
            headers = (f"Content-Type: multipart/form-data; boundary={mark}", f"Content-Length: {len(form)}")
            upload.begin("/files/upload", *headers, method="POST")
            upload.send(form[: secrets.randbelow(len(form) - 1)])
        elif kind == "raw":
            upload.begin(target, f"Content-Length: {len(data)}")
            upload.send(data[: secrets.randbelow(len(data) - 1)])
        else:
            upload.begin(target, "Transfer-Encoding: chunked")
            upload.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")  # all the bytes, but not the last chunk
        upload.close()
    eventually_nothing_left(mesh)
    assert client.post("/search", json={"tags": [word]}).json()["total"] == 0


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/files/upload", {"Content-Type": "text/plain"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("/files/upload", {"Content-Type": "multipart/form-data"}, (400, "VALIDATION_ERROR")),
        ("/search", {"Content-Type": "text/plain"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ],
)
def test_another_kind_of_body_is_refused(
    client: httpx.Client, path: str, headers: dict[str, str], code: tuple[int, str]
) -> None:
    refused(client.post(path, content=b"x", headers=headers), *code)


def test_another_method_is_405(client: httpx.Client) -> None:
    answer = client.put("/search", json={})
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("given", ["valid-id.1", None, "bad id", "x" * 200])
def test_a_valid_request_id_is_kept_and_any_other_replaced(client: httpx.Client, given: str | None) -> None:
    answer = client.get("/files", params={"limit": 1}, headers={} if given is None else {"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is (given == "valid-id.1")


def test_json_that_is_too_deep_is_refused(client: httpx.Client) -> None:
    deep = b'{"metadata":' * 5000 + b"1" + b"}" * 5000
    refused(client.post("/search", content=deep, headers={"Content-Type": "application/json"}), 400, "VALIDATION_ERROR")
