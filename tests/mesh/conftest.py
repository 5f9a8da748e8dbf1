"""One mesh for all tests of this folder that do not break it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.doubles.issuer import Issuer, running_issuer
from tests.support.mesh import Mesh


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """The identity provider that the mesh trusts, as "kc"."""
    with running_issuer() as made:
        yield made


@pytest.fixture(scope="session")
def mesh(issuer: Issuer) -> Iterator[Mesh]:
    """A running mesh, shared: leave it as it was."""
    made = Mesh.prepared()
    trusted = made.folder / "issuers.json"
    trusted.write_text(json.dumps([issuer.configuration()]))
    made.environment["AM_TRUSTED_ISSUERS_FILE"] = str(trusted)
    try:
        made.up()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def token(mesh: Mesh) -> str:
    """Every scope."""
    return mesh.token()


@pytest.fixture
def client(mesh: Mesh, token: str) -> Iterator[httpx.Client]:
    """A client with every scope."""
    with mesh.client(token) as made:
        yield made


@pytest.fixture
def word() -> str:
    """A word that no other test has used: a tag or a part of a name."""
    return "word" + secrets.token_hex(6)
