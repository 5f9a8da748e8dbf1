"""A document's state through the public door: verified, damaged, set aside, restored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx

from tests.mesh.test_maintenance import element, refusal
from tests.support.mesh import Mesh


def stored(client: httpx.Client, name: str, content: bytes) -> dict[str, Any]:
    answer = client.put("/files/content", params={"filename": name, "retention_policy": "permanent"}, content=content)
    file: dict[str, Any] = answer.json()
    return file


def on_disk(mesh: Mesh, file_id: str) -> Path:
    [path] = (each for each in mesh.home.rglob(f"files/*/*/*/*/*{file_id}*") if not each.name.endswith(".json"))
    return path


def test_damage_is_found_on_request_and_a_good_copy_comes_back(mesh: Mesh, client: httpx.Client, word: str) -> None:
    content = word.encode() * 1000
    file = stored(client, f"{word}.bin", content)
    address, ident = f"/files/{file['file_id']}", element(client, "rw")["id"]
    good = client.post(f"{address}/verify").json()
    assert (good["outcome"], good["actual_sha256"], good["actual_size"]) == ("active", file["sha256"], len(content))
    assert good["file"] == client.get(address).json()

    path = on_disk(mesh, file["file_id"])
    spoiled = b"#" + content[1:]
    path.write_bytes(spoiled)
    answer = client.post(f"{address}/verify")
    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["expected_sha256"]) == ("damaged", file["sha256"])
    assert answer.json()["actual_sha256"] == hashlib.sha256(spoiled).hexdigest()
    assert client.get(address).json()["status"] == "damaged", "the registry knows at once"
    assert refusal(client.get(f"{address}/download")) == (500, "FILE_DAMAGED")
    assert not path.exists()

    items = client.get(f"/storage-elements/{ident}/quarantine", params={"limit": 1000}).json()["items"]
    [item] = [each for each in items if each["file_id"] == file["file_id"]]
    assert (item["kind"], item["size"], item["names"]) == ("damaged", len(content), [path.name])
    restore = f"/storage-elements/{ident}/quarantine/{item['id']}/restore"
    assert refusal(client.post(restore)) == (409, "CONFLICT")
    [aside] = mesh.home.rglob(f"quarantine/{item['id']}/{path.name}")
    aside.write_bytes(content)
    answer = client.post(restore)
    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "active", '"3"')
    assert client.get(f"{address}/download").content == content
    assert refusal(client.post(restore)) == (404, "NOT_FOUND")


def test_who_may_look_and_who_may_decide(mesh: Mesh, client: httpx.Client, word: str) -> None:
    ident = element(client, "rw")["id"]
    file = stored(client, f"{word}.bin", b"x")
    restore = f"/storage-elements/{ident}/quarantine/20261121T013000_x/restore"
    with mesh.client(mesh.token("files:read")) as reader:
        assert reader.post(f"/files/{file['file_id']}/verify").json()["outcome"] == "active"
        assert refusal(reader.get(f"/storage-elements/{ident}/quarantine")) == (403, "FORBIDDEN")
    with mesh.client(mesh.token("storage:read")) as looking:
        assert looking.get(f"/storage-elements/{ident}/quarantine").status_code == 200
        assert refusal(looking.post(restore)) == (403, "FORBIDDEN")
        assert refusal(looking.post(f"/files/{file['file_id']}/verify")) == (403, "FORBIDDEN")
    assert refusal(client.post(restore)) == (404, "NOT_FOUND")
    assert refusal(client.post(restore.replace("20261121T013000_x", "..x"))) == (400, "VALIDATION_ERROR")
    assert refusal(client.get(f"/storage-elements/{ident}/quarantine", params={"cursor": "x"})) == (
        400,
        "VALIDATION_ERROR",
    )
