"""Running storage elements through the public door."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.mesh import Mesh


def element(client: httpx.Client, mode: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/storage-elements", params={"mode": mode}).json()["items"][0]
    return found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def transition(client: httpx.Client, element_id: str, target: str, **said: Any) -> httpx.Response:
    return client.post(f"/storage-elements/{element_id}/mode/transition", json={"target_mode": target, **said})


def put(client: httpx.Client, name: str) -> httpx.Response:
    return client.put("/files/content", params={"filename": name, "retention_policy": "permanent"}, content=b"kept")


def test_an_element_says_what_it_is_and_what_it_holds(client: httpx.Client, word: str) -> None:
    file = put(client, f"{word}.txt").json()
    known = element(client, "rw")
    info = client.get(f"/storage-elements/{known['id']}/info").json()
    assert (info["storage_id"], info["mode"], info["writable"]) == (known["storage_id"], "rw", True)
    assert info["files"]["active"] >= 1
    assert info["used_bytes"] >= 4
    page = client.get(f"/storage-elements/{known['id']}/files", params={"limit": 2, "status": "active"}).json()
    assert page["total"] == info["files"]["active"]
    assert 1 <= len(page["items"]) <= 2
    seen = [each["file_id"] for each in _all(client, f"/storage-elements/{known['id']}/files")]
    assert file["file_id"] in seen
    assert "storage_filename" not in page["items"][0]


def _all(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = client.get(path, params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
        found += page["items"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def test_rw_becomes_ro_and_with_confirmation_rw_again(client: httpx.Client, word: str) -> None:
    file = put(client, f"{word}.txt").json()
    ident = element(client, "rw")["id"]
    answer = transition(client, ident, "ro")
    assert (answer.status_code, answer.json()["mode"]) == (200, "ro")
    try:
        assert client.get(f"/storage-elements/{ident}").json()["mode"] == "ro"
        assert client.get(f"/files/{file['file_id']}/download").content == b"kept"
        assert refusal(put(client, "no.txt")) == (503, "NO_ELEMENT_AVAILABLE")
        assert refusal(client.patch(f"/files/{file['file_id']}", json={"description": "no"})) == (
            409,
            "MODE_NOT_ALLOWED",
        )
        assert refusal(transition(client, ident, "rw")) == (409, "CONFIRMATION_REQUIRED")
        assert refusal(transition(client, ident, "edit", confirm=True)) == (409, "INVALID_TRANSITION")
    finally:
        answer = transition(client, ident, "rw", confirm=True)
    assert (answer.status_code, answer.json()["mode"]) == (200, "rw")
    assert put(client, f"{word}-2.txt").status_code == 201


@pytest.mark.parametrize("target", ["rw", "ro", "ar", "edit"])
def test_edit_is_isolated(client: httpx.Client, target: str) -> None:
    ident = element(client, "edit")["id"]
    assert refusal(transition(client, ident, target, confirm=True)) == (409, "INVALID_TRANSITION")


def test_what_is_asked_must_make_sense(client: httpx.Client) -> None:
    ident = element(client, "rw")["id"]
    assert refusal(transition(client, ident, "off")) == (400, "VALIDATION_ERROR")
    assert refusal(client.get("/storage-elements/nothing/info")) == (400, "VALIDATION_ERROR")
    unknown = "00000000-0000-4000-8000-000000000000"
    assert refusal(client.get(f"/storage-elements/{unknown}/files")) == (404, "NOT_FOUND")
    assert refusal(transition(client, unknown, "ro")) == (404, "NOT_FOUND")


def test_scopes_decide_who_may_look_and_who_may_change(mesh: Mesh, client: httpx.Client) -> None:
    ident = element(client, "rw")["id"]
    with mesh.client(mesh.token("files:read files:write")) as reader:
        assert refusal(reader.get(f"/storage-elements/{ident}/info")) == (403, "FORBIDDEN")
        assert refusal(reader.get(f"/storage-elements/{ident}/files")) == (403, "FORBIDDEN")
    with mesh.client(mesh.token("storage:read")) as looking:
        assert looking.get(f"/storage-elements/{ident}/info").status_code == 200
        assert refusal(transition(looking, ident, "ro")) == (403, "FORBIDDEN")


def test_an_element_is_compared_with_the_registry_on_request(client: httpx.Client, word: str) -> None:
    put(client, f"{word}.txt")
    ident = element(client, "rw")["id"]
    answer = client.post(f"/storage-elements/{ident}/sync", params={"wait": 50})
    done = answer.json()
    assert (answer.status_code, done["state"], done["kind"], done["error"]) == (200, "succeeded", "sync", None)
    assert done["result"]["listed"] >= 1
    assert done["progress"] == {"done": done["result"]["listed"], "total": done["result"]["listed"], "unit": "files"}
    assert done["result"]["added"] == done["result"]["missing"] == 0
    assert answer.headers["location"] == f"/api/v1/operations/{done['id']}"
    assert client.get(f"/operations/{done['id']}").json() == done
    listed = client.get("/operations", params={"kind": "sync", "element_id": ident, "limit": 1}).json()
    assert [each["id"] for each in listed["items"]] == [done["id"]]
    assert refusal(client.delete(f"/operations/{done['id']}")) == (409, "CONFLICT")
    assert client.get(f"/storage-elements/{ident}").json()["last_sync"] >= done["created_at"]


def test_an_operation_is_watched_as_lines_of_json(mesh: Mesh, client: httpx.Client, token: str) -> None:
    ident = element(client, "edit")["id"]
    started = client.post(f"/storage-elements/{ident}/sync").json()
    with httpx.Client(
        base_url=mesh.info["base_url"], verify=mesh.tls(), headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ) as rpc:
        lines = rpc.get(f"/rpc/v1/admin/watch/operations/{started['id']}", timeout=60).text.splitlines()
    assert json.loads(lines[-1])["operation"]["state"] == "OPERATION_STATE_SUCCEEDED"


def test_an_element_is_discovered_renamed_and_not_removed_with_its_files(client: httpx.Client, word: str) -> None:
    put(client, f"{word}.txt")
    known = element(client, "rw")
    found = client.post("/storage-elements/discover", json={"endpoint": known["endpoint"]}).json()
    assert (found["storage_id"], found["element_id"], found["mode"]) == (known["storage_id"], known["id"], "rw")
    path = f"/storage-elements/{known['id']}"
    assert client.patch(path, json={"name": "Archive"}).json()["name"] == "Archive"
    assert client.patch(path, json={"name": ""}).json()["name"] == known["storage_id"]
    other = element(client, "edit")
    assert refusal(client.patch(path, json={"endpoint": other["endpoint"]})) == (409, "CONFLICT")
    assert refusal(client.delete(path)) == (409, "CONFLICT")


def test_an_element_reconciles_itself_on_request_and_destroys_nothing(
    mesh: Mesh, client: httpx.Client, word: str
) -> None:
    put(client, f"{word}.txt")
    known = element(client, "rw")
    stray = next(mesh.data_dir(known["storage_id"]).glob("files/*/*/*/*")) / f"{word}.stray"
    stray.write_bytes(b"whose is this?")
    answer = client.post(f"/storage-elements/{known['id']}/maintenance/reconcile", params={"wait": 50})
    done = answer.json()
    assert (answer.status_code, done["kind"], done["state"]) == (200, "reconcile", "succeeded"), done
    report = done["result"]
    assert done["progress"] == {"done": report["files"], "total": report["files"], "unit": "files"}
    assert report["thorough"]
    assert report["files"] >= 1
    assert word in json.dumps(report["findings"])
    assert sum(report["counts"].values()) >= 1
    assert any(mesh.data_dir(known["storage_id"]).rglob(f"*{word}.stray*"))
    quick = client.post(f"/storage-elements/{known['id']}/maintenance/reconcile", params={"wait": 50, "quick": True})
    assert not quick.json()["result"]["thorough"]
    for each in mesh.data_dir(known["storage_id"]).rglob(f"*{word}.stray*"):
        each.unlink()


def test_an_element_reads_every_byte_again_on_request(mesh: Mesh, client: httpx.Client, word: str) -> None:
    damaged = put(client, f"{word}.txt").json()["file_id"]
    known = element(client, "rw")
    [data] = (
        each for each in mesh.data_dir(known["storage_id"]).rglob(f"files/**/*{damaged}*") if each.suffix == ".txt"
    )
    data.write_bytes(b"kepT")
    answer = client.post(f"/storage-elements/{known['id']}/maintenance/scrub", params={"wait": 50})
    done = answer.json()
    assert (answer.status_code, done["kind"], done["state"]) == (200, "scrub", "succeeded"), done
    assert damaged in {each["file_id"] for each in done["result"]["findings"]}
    assert done["result"]["counts"]["mismatch"] >= 1
    assert done["progress"]["done"] == done["progress"]["total"] >= 1
    assert refusal(client.get(f"/files/{damaged}/download")) == (500, "FILE_DAMAGED")
    listed = client.get("/operations", params={"kind": "scrub", "limit": 1}).json()
    assert [each["id"] for each in listed["items"]] == [done["id"]]


def test_what_admin_follows_and_does_is_a_metric(mesh: Mesh, client: httpx.Client) -> None:
    known = element(client, "rw")
    assert client.post(f"/storage-elements/{known['id']}/sync", params={"wait": 50}).json()["state"] == "succeeded"
    ops = mesh.info["processes"]["admin"]["ops"]
    lines = httpx.get(f"http://127.0.0.1:{ops}/metrics", trust_env=False).text.splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    feed = f'{{storage_id="{known["storage_id"]}"}}'
    assert float(shown[f"am_feed_followed{feed}"]) == 1
    assert float(shown[f"am_feed_age_seconds{feed}"]) < 60
    assert {f"am_feed_reconnects_total{feed}", f"am_feed_resets_total{feed}"} <= shown.keys()
    assert float(shown['am_operations_total{kind="sync",result="succeeded"}']) >= 1
    assert float(shown['am_operation_duration_seconds_count{kind="sync"}']) >= 1
    assert float(shown['am_sync_files_total{outcome="listed"}']) >= 1
