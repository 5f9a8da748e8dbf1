"""A real Query, a real PostgreSQL and a real element; Admin, and one further element, are played by the test."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from clients import frames
from clients.query import QueryClient
from clients.storage import StoragePool
from services.admin.domain.registry import Entry
from services.admin.store.database import open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.registry import PostgresRegistry
from services.admin.store.roles import ensure_reader
from services.chassis.caller import Identity
from services.chassis.channel import open_channel, server_name_of
from services.model.elements import ElementAddress
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import Subject
from tests.doubles.admin_server import FakeAdminServer
from tests.doubles.documents import an_element, new_id
from tests.doubles.element_server import FakeElementServer
from tests.doubles.keys import ISSUER, SigningKeys
from tests.support.admin_things import record
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.peer import Peer, like_admin, like_an_element
from tests.support.postgres import Database, PostgresServer
from tests.support.processes import Running, free_port

PATIENCE = 20.0


class Ground:
    """The parts, and the ways to call Query."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
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
        self.real = await RunningElement.start(self.folder, self.certificates, "se-edit-01", "edit")
        password = secrets.token_urlsafe(16)
        async with migrating(self.database.owner_dsn) as connection:
            await migrate_to(connection, migrations())
            await ensure_reader(connection, self.database.query_role, password)
        port, ops = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self.process = Running.start(
            "services.query",
            {
                **environment("QM_", self.certificates.module("query")),
                "QM_PORT": str(port),
                "QM_OPS_PORT": str(ops),
                "QM_ADMIN_ADDR": self.admin_peer.address,
                "QM_TOKEN_ISSUER": ISSUER,
                "QM_POSTGRES_DSN": self.database.dsn(self.database.query_role, password),
                "QM_LOG_FORMAT": "text",
            },
            ops_port=ops,
            log=self.folder / "query.log",
        )
        await self.process.ready()

    async def stop(self) -> None:
        for part in (getattr(self, "process", None), getattr(getattr(self, "real", None), "process", None)):
            if part is not None:
                await asyncio.to_thread(part.stop)
        await self.admin_peer.stop()
        await self.played_peer.stop()

    @property
    def played_address(self) -> ElementAddress:
        return an_element("se-played-01", self.played_peer.address)

    def somebody(self, scope: str = "files:read") -> Identity:
        token = self.keys.token(scope=scope, sub="sa_reader_1")
        return Identity(Subject("sa_reader_1"), frozenset(scope.split()), token)

    async def register(self, file: FileAttributes, element: ElementAddress) -> None:
        """Put the document into the registry as Admin does."""
        async with open_database(self.database.owner_dsn, size=1) as database:
            row = record(element.storage_id, endpoint=element.endpoint)
            known, _ = await PostgresElements(database).register(row, name=None)
            await PostgresRegistry(database).record([Entry(known.element_id, file)])

    async def stored(self, content: bytes) -> FileAttributes:
        """A document on the real element, and in the registry."""
        new_file = NewFile("a.pdf", RetentionPolicy.TEMPORARY, file_id=new_id())
        writer = Identity(Subject("sa_writer_1"), frozenset({"files:write"}))

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        async with (
            StoragePool(self.certificates.module("ingester")) as pool,
            pool.client(self.real.address).upload(new_file, on_behalf_of=writer) as upload,
        ):
            await upload.send(frames.cut(pieces()))
            file = await upload.commit(UploadCommit(len(content), hashlib.sha256(content).hexdigest()))
        await self.register(file, self.real.address)
        return file

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Return once it does; for what another process does without telling."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backstage(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> AsyncIterator[Ground]:
    """Started once for all tests of a module, since two processes start in it."""
    made = Ground(tmp_path_factory.mktemp("query"), await postgres.create_database())
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture
def ground(backstage: Ground) -> Ground:
    backstage.admin.reset()
    backstage.played.reset()
    return backstage


@pytest_asyncio.fixture(loop_scope="module")
async def channel(backstage: Ground) -> AsyncIterator[grpc.aio.Channel]:
    """To Query, as the gateway."""
    tls = backstage.certificates.module("gateway")
    channel = open_channel(backstage.address, server_name=server_name_of("query"), tls=tls)
    yield channel
    await channel.close()


@pytest.fixture
def client(channel: grpc.aio.Channel) -> QueryClient:
    return QueryClient(channel)
