"""The privilege matrix: {every REST address, every RPC} × {no token, a bad one, each single scope, each role}.

What each may be asked with is in `privileges.py`; an address or an RPC without a row there fails.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import artstore
import grpc
import httpx
import pytest
from artstore.auth.v1 import requires_pb2
from google.protobuf.descriptor import MethodDescriptor

from gateway.http.openapi.operations import PATHS
from services.model.identity import SCOPES
from tests.mesh.privileges import ANYBODY, PERSON, PUBLIC, REST, RPCS, UNKNOWN
from tests.support.mesh import Mesh

PASSWORD = "correct horse battery"
READER = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
HOLDERS: dict[str, frozenset[str] | None] = {
    "no token": None,
    "a bad token": None,
    **{scope: frozenset({scope}) for scope in SCOPES},
    "role readonly": READER,
    "role admin": frozenset(SCOPES),
}
"""Who asks: with which scopes; None: with none that counts."""


def methods() -> dict[str, MethodDescriptor]:
    """Every RPC of ours, by "package.Service/Method"."""
    found: dict[str, MethodDescriptor] = {}
    for module in pkgutil.walk_packages(artstore.__path__, "artstore."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                found |= {f"{service.full_name}/{method.name}": method for method in service.methods}
    return found


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert {f"{method.upper()} {path}" for path, each in PATHS.items() for method in each} == set(REST)


def test_every_rpc_has_a_row_that_says_what_its_proto_says() -> None:
    declared = {}
    for name, method in methods().items():
        requires: Any = method.GetOptions().Extensions[requires_pb2.requires]
        needs = " ".join(requires.scopes) or ("nobody" if requires.anonymous else "anybody")
        declared[name] = (needs, "edge" in requires.callers)
    assert declared == RPCS


@pytest.fixture(scope="module")
def tokens(mesh: Mesh) -> Iterator[dict[str, str | None]]:
    """A token for each holder. The person who only reads is made for this, and removed."""
    with mesh.client(mesh.token()) as client:
        made = client.post("/admin-users", json={"username": "matrix", "password": PASSWORD, "role": "readonly"})
        assert made.status_code == 201, made.text
        yield {
            "no token": None,
            "a bad token": mesh.token()[:-6] + "AAAAAA",
            **{scope: mesh.token(scope) for scope in SCOPES},
            "role readonly": login(mesh, "matrix", PASSWORD),
            "role admin": login(mesh, mesh.info["admin_username"], mesh.info["admin_password"]),
        }
        client.delete(f"/admin-users/{made.json()['id']}")


def login(mesh: Mesh, username: str, password: str) -> str:
    with mesh.client() as client:
        answer = client.post("/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def expected(needs: str, holder: str) -> str:
    """What becomes of a request: "401", "403", or "through" to whatever the service says."""
    scopes = HOLDERS[holder]
    if needs == PUBLIC:
        return "through"
    if scopes is None:
        return "401"
    if needs == PERSON:
        return "through" if holder.startswith("role") else "403"
    return "through" if needs == ANYBODY or needs in scopes else "403"


def ask(client: httpx.Client, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
    """One request; the door may ask us to come again later."""
    for _ in range(20):
        answer = client.request(method, re.sub(r"\{.*?\}", UNKNOWN, path), **request)
        if answer.status_code != 429:
            return answer
        time.sleep(float(answer.headers.get("retry-after", "1")))
    raise AssertionError("the rate limit never let us through")


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_rest_surface_lets_through_whom_the_table_says(
    mesh: Mesh, tokens: dict[str, str | None], holder: str
) -> None:
    wrong = {}
    with mesh.client(tokens[holder]) as client:
        for name, row in REST.items():
            method, _, path = name.partition(" ")
            answer = ask(client, method, path, row.request)
            outcome = str(answer.status_code) if answer.status_code in (401, 403) else "through"
            # A public address that wants a secret says 401 in its own way: for what is in the body.
            if outcome != expected(row.needs, holder) or answer.status_code == 500:
                wrong[name] = (answer.status_code, answer.text[:200])
    assert wrong == {}


@pytest.fixture(scope="module")
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(Path(mesh.info["ca_cert"]).read_bytes())
    with grpc.secure_channel(mesh.info["grpc_address"], credentials) as made:
        yield made


OF_PEOPLE = ("/ChangePassword", "/EnrolTotp", "/ConfirmTotp", "/ReplaceRecoveryCodes", "/DisableTotp")
"""Only people have a password and a second factor."""
REFUSED = {"401": grpc.StatusCode.UNAUTHENTICATED, "403": grpc.StatusCode.PERMISSION_DENIED}
STREAM_SECONDS = 1.0
"""How long a stream that is let through is listened to."""


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_rpcs_let_through_whom_the_table_says(
    channel: grpc.Channel, tokens: dict[str, str | None], holder: str
) -> None:
    wrong, known = {}, methods()
    for name, (needs, public) in RPCS.items():
        code, said = call(channel, name, known[name], tokens[holder])
        if not public:
            # To strangers nothing is there; whoever has a token is told that this is not for outside.
            right = code is grpc.StatusCode.UNIMPLEMENTED or (
                HOLDERS[holder] is None and code is grpc.StatusCode.UNAUTHENTICATED
            )
        else:
            wants = expected(ANYBODY if needs == "anybody" else needs, holder)
            own = name.endswith(OF_PEOPLE) and not holder.startswith("role")
            through = code not in REFUSED.values() or (own and HOLDERS[holder] is not None)
            right = through if wants == "through" else code is REFUSED[wants]
        if not right or code is grpc.StatusCode.INTERNAL:
            wrong[name] = (code, said)
    assert wrong == {}


def call(channel: grpc.Channel, name: str, method: MethodDescriptor, token: str | None) -> tuple[grpc.StatusCode, str]:
    """The status of a call with an empty request: who may call is decided before what it says."""
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    empty: Any = b""
    try:
        if method.client_streaming:
            channel.stream_unary(f"/{name}")(iter([empty]), metadata=metadata, timeout=10)
        elif method.server_streaming:
            next(iter(channel.unary_stream(f"/{name}")(empty, metadata=metadata, timeout=STREAM_SECONDS)), None)
        else:
            channel.unary_unary(f"/{name}")(empty, metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        failed: Any = error  # a call, too
        return failed.code(), str(failed.details())
    return grpc.StatusCode.OK, ""
