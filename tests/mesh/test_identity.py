"""Accounts through the public door: made, used, changed, ended."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.mesh import Mesh


def token_of(mesh: Mesh, account: dict[str, Any], secret: str | None = None) -> httpx.Response:
    with mesh.client() as client:
        auth = (account["client_id"], secret or account["client_secret"])
        return client.post("/auth/token", data={"grant_type": "client_credentials"}, auth=auth)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_service_account_from_its_making_to_its_end(mesh: Mesh, client: httpx.Client) -> None:
    answer = client.post("/service-accounts", json={"name": "reader", "scopes": ["files:read"]})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    address = f"/service-accounts/{made['id']}"
    assert answer.headers["location"] == "/api/v1" + address
    assert made["client_id"].startswith("sa_reader_")
    assert made["secret_expires_at"] > made["created_at"]
    with mesh.client(token_of(mesh, made).json()["access_token"]) as reader:
        assert reader.get("/files", params={"limit": 1}).status_code == 200
        assert code(reader.get("/service-accounts")) == (403, "FORBIDDEN")
        assert code(reader.put("/files/content", params={"filename": "x", "retention_policy": "temporary"})) == (
            403,
            "FORBIDDEN",
        )
    shown = client.get(address)
    assert shown.json()["last_used_at"]
    assert "client_secret" not in shown.json()
    rotated = client.post(f"{address}/rotate-secret").json()
    assert rotated["previous_secret_valid_until"]
    assert [token_of(mesh, made, each["client_secret"]).status_code for each in (made, rotated)] == [200, 200]
    assert client.patch(address, json={"status": "disabled"}).json()["status"] == "disabled"
    refused = token_of(mesh, rotated)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    page = client.get("/service-accounts", params={"status": "disabled", "limit": 1000}).json()
    assert made["id"] in [each["id"] for each in page["items"]]
    assert client.delete(address).status_code == 204
    assert code(client.get(address)) == (404, "NOT_FOUND")


def test_wrong_wishes_name_the_field(client: httpx.Client) -> None:
    for body, field in (
        ({"name": "Ä", "scopes": ["files:read"]}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["files:read"], "secret_ttl_days": -1}, "secret_ttl_days"),
        ({"name": "a", "scopes": ["files:read"], "colour": "red"}, "colour"),
    ):
        answer = client.post("/service-accounts", json=body)
        assert code(answer) == (400, "VALIDATION_ERROR")
        assert field in [detail["field"] for detail in answer.json()["error"]["details"]]


def test_the_system_account_cannot_be_ended(mesh: Mesh, client: httpx.Client) -> None:
    listed = client.get("/service-accounts", params={"limit": 1000}).json()["items"]
    (system,) = [each for each in listed if each["is_system"]]
    assert system["client_id"] == mesh.info["client_id"]
    address = f"/service-accounts/{system['id']}"
    assert code(client.delete(address)) == (409, "CONFLICT")
    assert code(client.patch(address, json={"status": "disabled"})) == (409, "CONFLICT")
    assert code(client.patch(address, json={"scopes": ["files:read"]})) == (409, "CONFLICT")


PASSWORD = "correct horse battery"


def login(mesh: Mesh, username: str, password: str) -> httpx.Response:
    with mesh.client() as client:
        return client.post("/auth/login", json={"username": username, "password": password})


def test_the_first_administrator_logs_in_and_the_session_goes_on_and_ends(mesh: Mesh) -> None:
    session = login(mesh, mesh.info["admin_username"], mesh.info["admin_password"]).json()
    assert session["token_type"] == "Bearer"
    with mesh.client(session["access_token"]) as client:
        me = client.get("/auth/me").json()
        assert (me["subject"], me["user"]["role"]) == (mesh.info["admin_username"], "admin")
        assert client.get("/files", params={"limit": 1}).status_code == 200
        second = client.post("/auth/refresh", json={"refresh_token": session["refresh_token"]}).json()
        third = client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}).json()
        # Used twice: somebody has a copy, and the whole session ends.
        for spent in (second, third):
            answer = client.post("/auth/refresh", json={"refresh_token": spent["refresh_token"]})
            assert code(answer) == (401, "UNAUTHORIZED")
        assert client.post("/auth/logout", json={"refresh_token": "unknown"}).status_code == 204


def test_a_user_is_made_locked_unlocked_changed_and_removed(mesh: Mesh, client: httpx.Client, word: str) -> None:
    made = client.post("/admin-users", json={"username": word, "password": PASSWORD, "role": "readonly"})
    assert made.status_code == 201, made.text
    address = f"/admin-users/{made.json()['id']}"
    for _ in range(5):
        assert code(login(mesh, word, "wrong password")) == (401, "UNAUTHORIZED")
    locked = login(mesh, word, PASSWORD)
    assert code(locked) == (423, "ACCOUNT_LOCKED")
    assert int(locked.headers["retry-after"]) > 0
    assert client.get(address).json()["status"] == "locked"
    assert client.post(f"{address}/unlock").json()["status"] == "active"
    session = login(mesh, word, PASSWORD).json()
    with mesh.client(session["access_token"]) as reader:
        assert reader.get("/admin-users").status_code == 200
        assert code(reader.delete(address)) == (403, "FORBIDDEN")
        body = {"current_password": PASSWORD, "new_password": "password1234"}
        assert code(reader.post("/auth/change-password", json=body)) == (400, "VALIDATION_ERROR")
        body["new_password"] = "a much better one"
        assert reader.post("/auth/change-password", json=body).status_code == 204
    assert client.post(f"{address}/reset-password", json={"new_password": "and another one"}).status_code == 204
    assert login(mesh, word, "and another one").status_code == 200
    assert client.patch(address, json={"status": "disabled", "full_name": "Анна"}).json()["full_name"] == "Анна"
    assert code(login(mesh, word, "and another one")) == (401, "UNAUTHORIZED")
    assert client.delete(address).status_code == 204
    assert code(client.get(address)) == (404, "NOT_FOUND")


def test_the_keys_are_shown_and_a_rotation_begins(mesh: Mesh, client: httpx.Client) -> None:
    (active,) = [each for each in client.get("/auth/keys").json()["items"] if each["state"] == "active"]
    answer = client.post("/auth/keys/rotate")
    assert answer.status_code == 202, answer.text
    following = answer.json()
    assert following["state"] == "next"
    assert following["activates_at"] > following["created_at"]
    with mesh.client() as anybody:
        published = [each["kid"] for each in anybody.get("/auth/jwks").json()["keys"]]
        assert code(anybody.post("/auth/keys/rotate")) == (401, "UNAUTHORIZED")
    assert {active["kid"], following["kid"]} <= set(published)
    assert client.post("/auth/keys/rotate").json()["kid"] == following["kid"]
