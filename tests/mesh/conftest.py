"""One mesh for all tests of this folder that do not break it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.support.mesh import Mesh


@pytest.fixture(scope="session")
def mesh() -> Iterator[Mesh]:
    """A running mesh, shared: leave it as it was."""
    made = Mesh.start()
    yield made
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
