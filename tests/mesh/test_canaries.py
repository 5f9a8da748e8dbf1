"""No secret of a mesh that was put to every use and abuse is in a log, nor in the answer to whoever has it wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
from artstore.admin.v1 import totp_pb2, totp_pb2_grpc
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.doubles.issuer import Issuer
from tests.mesh.test_tokens import signing_key
from tests.support.mesh import Mesh


class Canaries:
    """Secrets that were used, and the errors that were answered meanwhile."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.errors: list[str] = []

    def new(self, name: str) -> str:
        """A secret that exists nowhere else."""
        return self.add(name, f"Canary-{secrets.token_hex(12)}")

    def add(self, name: str, secret: str) -> str:
        assert len(secret) >= 6, name
        self.secrets[name] = secret
        return secret

    def said(self, answer: httpx.Response) -> httpx.Response:
        """Remember it if it is an error."""
        if answer.status_code >= 400:
            self.errors.append(answer.text + str(answer.headers))
        return answer

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


def people(mesh: Mesh, canaries: Canaries, client: httpx.Client, name: str) -> None:
    """A person made, let in, refused, with a second factor, with bodies that are wrong."""
    password, said = canaries.new("password"), canaries.said
    made = client.post("/admin-users", json={"username": name, "password": password, "role": "readonly"}).json()
    login = {"username": name, "password": password}
    with mesh.client() as anybody:
        for wrong in (
            {**login, "password": canaries.new("wrong password")},
            {**login, "password": [canaries.new("password in a list")]},
            {**login, "totp": {"x": canaries.new("code in an object")}},
        ):
            said(anybody.post("/auth/login", json=wrong))
        broken = '{"username": "x", "password": "' + canaries.new("password in broken JSON")
        said(anybody.post("/auth/login", content=broken, headers={"Content-Type": "application/json"}))
        said(anybody.post("/auth/login", params={"password": canaries.new("password in the query")}, json={}))
        said(anybody.post("/auth/refresh", json={"refresh_token": canaries.new("unknown refresh token")}))
        session = anybody.post("/auth/login", json=login).json()
        canaries.add("refresh token", session["refresh_token"])
        second = anybody.post("/auth/refresh", json={"refresh_token": session["refresh_token"]}).json()
        canaries.add("second refresh token", second["refresh_token"])
        said(anybody.post("/auth/refresh", json={"refresh_token": session["refresh_token"]}))
    canaries.add("access token", session["access_token"])
    with mesh.client(session["access_token"]) as own:
        factor = own.post("/auth/totp/enrol", json={"current_password": password}).json()
        canaries.add("TOTP secret", factor["secret"])
        canaries.add("TOTP secret in hexadecimal", base64.b32decode(factor["secret"]).hex())
        totp = TOTP(base64.b32decode(factor["secret"]), 6, SHA1(), 30)  # noqa: S303 - as devices have it
        said(own.post("/auth/totp/confirm", json={"totp": "000000"}))
        body = {"totp": totp.generate(int(time.time())).decode()}
        for place, code in enumerate(own.post("/auth/totp/confirm", json=body).json()["recovery_codes"]):
            canaries.add(f"recovery code {place}", code)
            canaries.add(f"recovery code {place} as it is kept", code.replace("-", "").upper())
        for code in (canaries.secrets["recovery code 0"], canaries.new("wrong code")):
            said(own.post("/auth/totp/disable", json={"current_password": password, "totp": code + "x"}))
        said(own.post("/auth/change-password", json={"current_password": password, "new_password": password[:11]}))
        said(
            own.post(
                "/auth/change-password", json={"current_password": canaries.new("not his"), "new_password": "x" * 12}
            )
        )
    said(client.post(f"/admin-users/{made['id']}/reset-password", json={"new_password": "short-" + name[:4]}))
    client.delete(f"/admin-users/{made['id']}")


def programs(mesh: Mesh, canaries: Canaries, client: httpx.Client, issuer: Issuer, name: str) -> None:
    """A service account and tokens, right and wrong."""
    said, grant = canaries.said, {"grant_type": "client_credentials"}
    made = client.post("/service-accounts", json={"name": name, "scopes": ["files:read"]}).json()
    secret = canaries.add("client secret", made["client_secret"])
    rotated = client.post(f"/service-accounts/{made['id']}/rotate-secret").json()
    canaries.add("next client secret", rotated["client_secret"])
    ours = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}
    ours |= {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}
    with mesh.client() as anybody:
        token = anybody.post("/auth/token", data=grant, auth=(made["client_id"], secret)).json()["access_token"]
        canaries.add("token", token)
        canaries.add("signature", token.rpartition(".")[2])
        wrong = canaries.new("wrong client secret")
        said(anybody.post("/auth/token", data=grant, auth=(made["client_id"], wrong)))
        said(anybody.post("/auth/token", data={**grant, "client_id": made["client_id"], "client_secret": wrong}))
        said(anybody.post("/auth/token", data={**grant, "client_secret": secret}, auth=(made["client_id"], secret)))
        said(anybody.post("/auth/token", json={"client_secret": canaries.new("client secret in JSON")}))
        said(
            anybody.post(
                "/auth/token", params={"client_secret": canaries.new("client secret in the query")}, data=grant
            )
        )
        said(
            anybody.post(
                "/auth/token", data={**grant, "resource": "https://x", "scope": "a"}, auth=(made["client_id"], secret)
            )
        )
        for place, theirs in enumerate(
            (issuer.token(groups=["/operators"]), issuer.token(exp=1), issuer.token(aud="x"))
        ):
            canaries.add(f"token of the issuer {place}", theirs)
            said(anybody.post("/auth/token", data={**ours, "subject_token": theirs}))
        said(anybody.post("/auth/revoke", data={"token": token}))
        said(anybody.post("/auth/revoke", data={"token": canaries.new("revoked"), "token_type_hint": "refresh_token"}))
        said(anybody.get("/files", params={"access_token": token}))
    client.post("/auth/introspect", data={"token": token})
    for bearer in (canaries.new("bearer"), token[:-6] + "AAAAAA", token + "x"):
        with mesh.client(bearer) as refused:
            canaries.add(f"bearer {bearer[-3:]}", bearer)
            said(refused.get("/files"))
            said(refused.post("/search", json={"query": "x"}))
    client.delete(f"/service-accounts/{made['id']}")


def over_grpc(mesh: Mesh, canaries: Canaries, token: str) -> None:
    """A password where it does not belong, and a token in the wrong place."""
    credentials = grpc.ssl_channel_credentials(Path(mesh.info["ca_cert"]).read_bytes())
    with grpc.secure_channel(mesh.info["grpc_address"], credentials) as channel:
        totp = totp_pb2_grpc.TotpServiceStub(channel)
        for bearer in (token, canaries.new("bearer over gRPC")):
            try:
                totp.EnrolTotp(
                    totp_pb2.EnrolTotpRequest(current_password=canaries.new(f"password with {bearer[:4]}")),
                    metadata=(("authorization", f"Bearer {bearer}"), ("x-token", canaries.new(f"beside {bearer[:4]}"))),
                    timeout=20,
                )
            except grpc.RpcError as error:
                failed: Any = error  # a call, too
                canaries.errors.append(f"{failed.details()} {failed.trailing_metadata()}")


def kept_by_the_mesh(mesh: Mesh, canaries: Canaries) -> None:
    """What the installation itself must keep to itself."""
    for path in (mesh.home / "secrets").iterdir():
        text = path.read_text().strip()
        if len(text) >= 16 and not text.startswith("sa_"):
            canaries.add(f"secrets/{path.name}", text)
    for path in (mesh.home / "certificates").glob("*.key"):
        canaries.add(f"certificates/{path.name}", path.read_text().splitlines()[1])
    private = asyncio.run(signing_key(mesh)).as_dict(private=True)
    canaries.add("signing key", str(private["d"]))
    canaries.add("signing key, a prime", str(private["p"]))


def test_no_secret_is_in_any_log_or_error(
    mesh: Mesh, client: httpx.Client, token: str, issuer: Issuer, word: str
) -> None:
    canaries = Canaries()
    people(mesh, canaries, client, word)
    programs(mesh, canaries, client, issuer, word[:20].replace("_", ""))
    over_grpc(mesh, canaries, token)
    kept_by_the_mesh(mesh, canaries)
    assert len(canaries.errors) >= 25, json.dumps(canaries.errors)
    told = {name for error in canaries.errors for name in canaries.found_in(error)}
    assert told == set()
    # The line that says who was refused shows that these are the logs in question.
    admin = (mesh.home / "logs" / "admin.log").read_text("utf-8", "replace")
    assert "a login was refused" in admin
    assert word in admin
    for log in sorted((mesh.home / "logs").iterdir()):
        assert canaries.found_in(log.read_text("utf-8", "replace")) == [], log.name
