"""Storage elements called directly, at their own ports, with grpcurl: by a token for the very element."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.mesh import Mesh

GRPCURL = Path(sys.executable).parent / "grpcurl"
INFO = "artstore.storage.v1.StorageReadService/GetInfo"
MODE = "artstore.storage.v1.StorageControlService/TransitionMode"
OF_MODULES = {
    "admin": "artstore.admin.v1.SelfService/GetSelf",
    "query": "artstore.query.v1.QueryService/Search",
    "ingester": "artstore.ingester.v1.IngestService/DeleteFile",
}


def token_for(mesh: Mesh, storage_id: str, scope: str = "") -> str:
    form = {"grant_type": "client_credentials", "resource": f"urn:artstore:storage:{storage_id}", "scope": scope}
    with mesh.client() as client:
        answer = client.post("/auth/token", data=form, auth=(mesh.info["client_id"], mesh.info["client_secret"]))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def grpcurl(mesh: Mesh, process: str, *call: str, token: str | None, certificate: bool = True) -> tuple[int, str]:
    """As docs/grpc.md has it; status and what was said."""
    own = ("-cert", mesh.info["operator_cert"], "-key", mesh.info["operator_key"]) if certificate else ()
    bearer = ("-H", f"authorization: Bearer {token}") if token is not None else ()
    address = f"127.0.0.1:{mesh.info['processes'][process]['grpc']}"
    name = ("-authority", f"{process}{'' if process in OF_MODULES else '.storage'}.artstore.internal")
    command = [GRPCURL, "-cacert", mesh.info["ca_cert"], *own, *name, *bearer, "-connect-timeout", "5"]
    options, method = call[:-1], call[-1]
    done = subprocess.run(
        [*command, *options, address, method],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_an_operator_looks_into_an_element(mesh: Mesh) -> None:
    token = token_for(mesh, "se-rw-01", "storage:read files:read")
    status, said = grpcurl(mesh, "se-rw-01", "list", token=token)
    assert status == 0, said
    assert "artstore.storage.v1.StorageReadService" in said.split()
    status, said = grpcurl(mesh, "se-rw-01", INFO, token=token)
    assert status == 0, said
    assert json.loads(said)["info"]["storage_id"] == "se-rw-01"


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("none", "Unauthenticated"),
        ("garbage", "Unauthenticated"),
        ("of the public door", "Unauthenticated"),
        ("of another element", "Unauthenticated"),
        ("without the scope", "PermissionDenied"),
    ],
)
def test_with_any_other_token_he_does_not(mesh: Mesh, token: str, which: str, code: str) -> None:
    given = {
        "none": None,
        "garbage": "garbage",
        "of the public door": token,
        "of another element": token_for(mesh, "se-edit-01"),
        "without the scope": token_for(mesh, "se-rw-01", "files:read"),
    }[which]
    status, said = grpcurl(mesh, "se-rw-01", INFO, token=given)
    assert status != 0
    assert f"Code: {code}" in said


def test_scopes_count_on_the_element(mesh: Mesh) -> None:
    reader = token_for(mesh, "se-rw-01", "storage:read")
    status, said = grpcurl(mesh, "se-rw-01", "-d", '{"target_mode": "ELEMENT_MODE_RW"}', MODE, token=reader)
    assert status != 0
    assert "storage:write" in said


def test_without_a_certificate_nobody_comes_that_far(mesh: Mesh) -> None:
    status, said = grpcurl(mesh, "se-rw-01", INFO, token=token_for(mesh, "se-rw-01"), certificate=False)
    assert status != 0
    assert "Code: PermissionDenied" not in said
    assert "storage_id" not in said


def test_a_token_for_an_element_opens_nothing_else(mesh: Mesh) -> None:
    token = token_for(mesh, "se-rw-01")
    with mesh.client(token) as client:
        for path in ("/files", "/storage-elements", "/auth/me", "/service-accounts"):
            assert client.get(path).status_code == 401, path
    for module, method in OF_MODULES.items():
        status, said = grpcurl(mesh, module, method, token=token)
        assert status != 0
        assert "Code: Unauthenticated" in said, said


def test_the_operator_s_certificate_opens_no_other_service(mesh: Mesh, token: str) -> None:
    for module, method in OF_MODULES.items():
        status, said = grpcurl(mesh, module, method, token=token)
        assert status != 0
        assert "Code: PermissionDenied" in said, said


def test_nobody_gets_a_token_for_an_element_that_is_not_registered(mesh: Mesh) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:artstore:storage:se-rw-99"}
    with mesh.client() as client:
        answer = client.post("/auth/token", data=form, auth=(mesh.info["client_id"], mesh.info["client_secret"]))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_tokens_are_asked_about_and_sessions_revoked(mesh: Mesh, client: httpx.Client) -> None:
    login = {"username": mesh.info["admin_username"], "password": mesh.info["admin_password"]}
    session = client.post("/auth/login", json=login).json()
    for kind in ("access_token", "refresh_token"):
        state = client.post("/auth/introspect", data={"token": session[kind]}).json()
        assert (state["active"], state["sub"]) == (True, mesh.info["admin_username"])
    with mesh.client() as anybody:
        refused = anybody.post("/auth/revoke", data={"token": session["access_token"]})
        assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_token_type")
        assert anybody.post("/auth/revoke", data={"token": session["refresh_token"]}).status_code == 200
        assert anybody.post("/auth/refresh", json={"refresh_token": session["refresh_token"]}).status_code == 401
    assert client.post("/auth/introspect", data={"token": session["refresh_token"]}).json() == {"active": False}
    state = client.post("/auth/introspect", data={"token": token_for(mesh, "se-rw-01")}).json()
    assert state["aud"] == ["urn:artstore:storage:se-rw-01"]


def test_the_metadata_name_every_endpoint(mesh: Mesh) -> None:
    with mesh.client() as anybody:
        base = mesh.info["base_url"]
        found = anybody.get(f"{base}/.well-known/oauth-authorization-server").json()
        assert found["issuer"] == base
        assert found["revocation_endpoint"] == f"{base}/api/v1/auth/revoke"
        assert found["introspection_endpoint"] == f"{base}/api/v1/auth/introspect"
        keys = anybody.get(f"{base}/.well-known/jwks.json").json()
        assert keys == anybody.get(found["jwks_uri"]).json()
