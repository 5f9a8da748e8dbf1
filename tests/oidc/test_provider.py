"""Tokens of a real OpenID provider, exchanged at a whole mesh. `nox -s oidc` installs the provider and runs this."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from tests.support.mesh import Mesh

INSTALLED = Path(__file__).resolve().parents[2] / "build" / "oidc"
SCRIPT = Path(__file__).with_name("provider.mjs")
CLIENT = "artstore-clients"
CALLBACK = "http://127.0.0.1/callback"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
OF_ACCESS = "urn:ietf:params:oauth:token-type:access_token"
OF_ID = "urn:ietf:params:oauth:token-type:id_token"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The provider's issuer."""
    node = shutil.which("node")
    if node is None or not (INSTALLED / "node_modules" / "oidc-provider").is_dir():
        pytest.fail("the provider is not installed: run `.venv/bin/nox -s oidc` (it needs node and npm)")
    process = subprocess.Popen(
        [node, SCRIPT], cwd=INSTALLED, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), issuer
        yield issuer
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def mesh(provider: str) -> Iterator[Mesh]:
    """One that trusts the provider, as its own metadata describe it."""
    found = httpx.get(f"{provider}/.well-known/openid-configuration", trust_env=False).json()
    made = Mesh.prepared()
    trusted = made.folder / "issuers.json"
    claim_map = {
        "groups": {"/operators": ["readonly"]},
        "scope": {"artstore.read": ["files:read"]},
    }
    one = {
        "alias": "op", "issuer": found["issuer"], "jwks_url": found["jwks_uri"], "audience": CLIENT,
        "claim_map": claim_map,
    }  # fmt: skip
    trusted.write_text(json.dumps([one]))
    made.environment["AM_TRUSTED_ISSUERS_FILE"] = str(trusted)
    try:
        made.up()
        yield made
    finally:
        made.close()


def log_in(provider: str, name: str) -> dict[str, Any]:
    """The code flow with PKCE, as a person's browser and application go it; the provider's tokens."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": CLIENT, "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid groups",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    with httpx.Client(trust_env=False, timeout=30) as browser:
        answer = browser.get(f"{provider}/auth", params=asked)
        for _ in range(12):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(CALLBACK):
                    code = parse_qs(urlsplit(target).query)["code"][0]
                    break
                answer = browser.get(target)
                continue
            assert answer.status_code == 200, answer.text
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
            assert action is not None
            assert prompt is not None
            form = {"prompt": prompt[1], "login": name, "password": "anything"}
            answer = browser.post(urljoin(str(answer.url), html.unescape(action[1])), data=form)
        else:
            pytest.fail("the provider did not come to an end")
        done = browser.post(
            f"{provider}/token",
            data={
                "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": CLIENT,
                "code_verifier": verifier,
            },
        )  # fmt: skip
    assert done.status_code == 200, done.text
    tokens: dict[str, Any] = done.json()
    return tokens


def exchange(mesh: Mesh, token: str, kind: str, **form: str) -> httpx.Response:
    body = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": kind, **form}
    with mesh.client() as client:
        return client.post("/auth/token", data=body)


def test_a_person_who_logged_in_there_may_here_what_his_group_may(provider: str, mesh: Mesh) -> None:
    answer = exchange(mesh, log_in(provider, "maria")["id_token"], OF_ID)
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "files:read storage:read admin:read"
    with mesh.client(answer.json()["access_token"]) as client:
        assert client.get("/auth/me").json()["subject"] == "op:maria"
        assert client.get("/files", params={"limit": 1}).status_code == 200
        assert client.post("/service-accounts", json={"name": "x", "scopes": ["files:read"]}).status_code == 403


def test_one_of_another_group_may_nothing(provider: str, mesh: Mesh) -> None:
    answer = exchange(mesh, log_in(provider, "petr")["id_token"], OF_ID)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_the_provider_s_tokens_themselves_open_nothing(provider: str, mesh: Mesh) -> None:
    with mesh.client(log_in(provider, "maria")["id_token"]) as client:
        assert client.get("/files").status_code == 401


def of_program(provider: str, scope: str) -> str:
    answer = httpx.post(
        f"{provider}/token",
        data={"grant_type": "client_credentials", "scope": scope, "resource": "urn:artstore"},
        auth=("scanner", "a secret of the provider's own"),
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_a_program_gets_what_its_scopes_are_mapped_to(provider: str, mesh: Mesh) -> None:
    answer = exchange(mesh, of_program(provider, "artstore.read artstore.everything"), OF_ACCESS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "files:read"
    assert exchange(mesh, of_program(provider, "artstore.everything"), OF_ACCESS).json()["error"] == "invalid_scope"


def test_an_opaque_token_is_not_one_that_is_taken(provider: str, mesh: Mesh) -> None:
    answer = exchange(mesh, log_in(provider, "maria")["access_token"], OF_ACCESS)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
