"""One gateway for all tests of a module: it keeps nothing between requests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.doubles.behind_the_edge import Behind
from tests.service.gateway.edge import Edge, running_edge


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """A gateway that lives as long as the module's tests."""
    async with running_edge(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(shared_edge: Edge) -> Edge:
    """The same gateway, with nothing behind it that an earlier test left."""
    shared_edge.servers.behind.__init__(shared_edge.behind.keys)  # type: ignore[misc]  # as if it were new
    return shared_edge


@pytest.fixture
def behind(edge: Edge) -> Behind:
    """What the services behind the gateway hold and do."""
    return edge.behind
