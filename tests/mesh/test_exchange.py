"""Tokens of an identity provider that the mesh trusts, exchanged at the public door (RFC 8693)."""

from __future__ import annotations

from typing import Any

import httpx

from tests.doubles.issuer import Issuer
from tests.support.mesh import Mesh

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


def exchange(mesh: Mesh, token: str, **form: str) -> httpx.Response:
    body = {"grant_type": GRANT, "subject_token": token, "subject_token_type": JWT, **form}
    with mesh.client() as client:
        return client.post("/auth/token", data=body)


def test_what_the_provider_gave_out_is_exchanged_and_works(mesh: Mesh, issuer: Issuer, word: str) -> None:
    theirs = httpx.post(f"{issuer.url}/token", data={"scope": "openid artstore.read"}, trust_env=False).json()
    answer = exchange(mesh, theirs["access_token"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "files:read"
    assert answer.json()["issued_token_type"] == ACCESS
    archivist = exchange(mesh, issuer.token(realm_access={"roles": ["archivist"]})).json()["access_token"]
    with mesh.client(archivist) as client:
        assert client.get("/auth/me").json() == {
            "subject": "kc:maria", "scopes": ["files:read", "files:write"], "user": None,
        }  # fmt: skip
        stored = client.put("/files/content", params={"filename": word, "retention_policy": "temporary"}, content=b"a")
        assert stored.json()["uploaded_by"] == "kc:maria"
        assert client.delete(f"/files/{stored.json()['file_id']}").status_code == 204
        assert client.get("/service-accounts").status_code == 403


def test_whom_the_provider_calls_an_administrator_may_change_things(mesh: Mesh, issuer: Issuer, word: str) -> None:
    token = exchange(mesh, issuer.token(groups=["/administrators"])).json()["access_token"]
    with mesh.client(token) as client:
        made = client.post("/service-accounts", json={"name": word, "scopes": ["files:read"]})
        assert made.status_code == 201, made.text
        assert client.delete(f"/service-accounts/{made.json()['id']}").status_code == 204


def test_the_provider_s_own_token_opens_nothing(mesh: Mesh, issuer: Issuer) -> None:
    for claims in ({}, {"aud": "artstore"}, {"aud": ["artstore"], "iss": mesh.info["base_url"]}):
        given: Any = {**claims, "scope": "files:read"}
        with mesh.client(issuer.token(header={"typ": "at+jwt"}, **given)) as client:
            assert client.get("/files").status_code == 401


def test_bad_ones_are_refused_and_only_the_configured_address_is_asked(mesh: Mesh, issuer: Issuer) -> None:
    elsewhere = f"{issuer.url}/elsewhere"
    bad = [
        issuer.token(aud="another"),
        issuer.token(iss="https://stranger.example"),
        issuer.token(exp=1),
        *(issuer.token(header={"kid": "foreign", name: elsewhere}) for name in ("jku", "x5u")),
        issuer.token(header={"jwk": issuer.keys[0].as_dict(private=False), "kid": "foreign"}),
    ]
    said = {exchange(mesh, token).text for token in bad}
    assert len(said) == 1
    assert "invalid_request" in said.pop()
    assert set(issuer.asked) <= {"/jwks", "/token"}


def test_a_person_s_token_is_exchanged_for_one_for_an_element(mesh: Mesh) -> None:
    with mesh.client() as client:
        login = {"username": mesh.info["admin_username"], "password": mesh.info["admin_password"]}
        session = client.post("/auth/login", json=login).json()
    answer = exchange(mesh, session["access_token"], resource="urn:artstore:storage:se-rw-01", scope="storage:read")
    assert answer.status_code == 200, answer.text
    with mesh.client(answer.json()["access_token"]) as client:
        assert client.get("/files").status_code == 401
