"""A real ingester and a real element; Admin, and one further element, are played by the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from clients.ingester import IngesterClient
from services.chassis.caller import Identity
from services.chassis.channel import open_channel, server_name_of
from services.model.elements import ElementAddress
from services.model.errors import NotFound, ServiceUnavailable
from services.model.ids import Subject
from tests.doubles.admin_server import FakeAdminServer
from tests.doubles.documents import an_element, new_id
from tests.doubles.element_server import FakeElementServer
from tests.doubles.keys import ISSUER, SigningKeys
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.peer import Peer, like_admin, like_an_element
from tests.support.processes import Running, free_port

PATIENCE = 20.0


class Ground:
    """The parts, and the ways to call the ingester."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = Certificates(folder / "tls")
        self.keys = SigningKeys()
        self.admin = FakeAdminServer(self.keys)
        self.admin_peer = Peer(self.certificates.module("admin"), like_admin(self.keys), self.admin.add_to)
        self.played = FakeElementServer()  # type: ignore[abstract]  # grpc has a default for each method
        played_tls = self.certificates.element("se-played-01")
        self.played_peer = Peer(played_tls, like_an_element(), self.played.add_to)
        self.real: RunningElement
        self.process: Running
        self.address = ""

    async def start(self) -> None:
        await self.admin_peer.start()
        await self.played_peer.start()
        self.real = await RunningElement.start(
            self.folder, self.certificates, "se-edit-01", "edit", MAX_FILE_SIZE="8MiB"
        )
        await self.start_ingester()

    async def start_ingester(self) -> None:
        """On a port of its own each time."""
        port, ops = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self.process = Running.start(
            "services.ingester",
            {
                **environment("IM_", self.certificates.module("ingester")),
                "IM_PORT": str(port),
                "IM_OPS_PORT": str(ops),
                "IM_ADMIN_ADDR": self.admin_peer.address,
                "IM_TOKEN_ISSUER": ISSUER,
                "IM_LOG_FORMAT": "text",
            },
            ops_port=ops,
            log=self.folder / "ingester.log",
        )
        await self.process.ready()

    async def stop(self) -> None:
        for name in ("process", "real"):
            part = getattr(self, name, None)
            if part is not None:
                (part.process if isinstance(part, RunningElement) else part).stop()
        await self.admin_peer.stop()
        await self.played_peer.stop()

    def fresh(self) -> None:
        """Forget what an earlier test told the played parts."""
        self.admin.reset()
        self.played.reset()
        self.admin.candidates = [self.real.address]

    @property
    def played_address(self) -> ElementAddress:
        return an_element("se-played-01", self.played_peer.address)

    def somebody(self, scope: str = "files:read files:write", *, expires_in: float = 600) -> Identity:
        token = self.keys.token(scope=scope, sub="sa_somebody_1", exp=time.time() + expires_in)
        return Identity(Subject("sa_somebody_1"), frozenset(scope.split()), token)

    async def admin_back(self, client: IngesterClient) -> None:
        """Start Admin again; return when the ingester has found it."""
        await self.admin_peer.start()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await client.delete_file(new_id(), on_behalf_of=self.somebody())
                except NotFound:
                    return
                except ServiceUnavailable:
                    await asyncio.sleep(0.05)  # a channel says to nobody when it will try again

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Return once it does; for what another process does without telling."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backstage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Started once for all tests of a module, since two processes start in it."""
    made = Ground(tmp_path_factory.mktemp("ingester"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture
def ground(backstage: Ground) -> Ground:
    backstage.fresh()
    return backstage


@pytest_asyncio.fixture(loop_scope="module")
async def channel(backstage: Ground) -> AsyncIterator[grpc.aio.Channel]:
    """To the ingester, as the gateway."""
    tls = backstage.certificates.module("gateway")
    channel = open_channel(backstage.address, server_name=server_name_of("ingester"), tls=tls)
    yield channel
    await channel.close()


@pytest.fixture
def client(channel: grpc.aio.Channel) -> IngesterClient:
    return IngesterClient(channel)
