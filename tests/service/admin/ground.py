"""A real Admin process on a real PostgreSQL, and elements that the test plays."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from copy import copy
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc
from artstore.types.v1 import page_pb2

from clients import wire
from clients.admin import AdminClient, IssuedToken, OAuthRefusal
from clients.operations import OperationsClient
from services.chassis.caller import Caller, Identity, caller
from services.chassis.channel import open_channel, server_name_of
from services.model.elements import ElementInfo
from services.model.errors import ArtStoreError, NotFound
from services.model.files import FileAttributes
from services.model.ids import FileId, Subject
from services.model.paging import Page
from tests.support.admin_things import info
from tests.support.certificates import Certificates, environment
from tests.support.peer import Peer, like_an_element
from tests.support.postgres import Database
from tests.support.processes import Running, free_port

ISSUER = "https://localhost:8443"
CLIENT_ID = "sa_system_t1"
QUERY_PASSWORD = "the password of Query's role"
HEARTBEAT = 0.2
"""Seconds; short, so that tests need not wait long for a status."""


class ElementServicer(storage_pb2_grpc.StorageReadServiceServicer):
    """What Admin asks of an element, answered as the test says."""

    def __init__(self, said: ElementInfo) -> None:
        self.info = said
        self.files: dict[FileId, FileAttributes] = {}
        self.refuses: ArtStoreError | None = None
        self.answers = asyncio.Event()
        """While it is not set, nothing is answered."""
        self.answers.set()
        self.documents: list[bytes] = []
        """What it sends instead of files to who reads documents."""
        self.page_size = 500
        self.pages = 0
        """Pages that were listed."""
        self.hangs_at_page = 0
        """The page that is never sent; 0: none."""
        self.hanging = asyncio.Event()
        self.asked = asyncio.Event()
        self.callers: list[Caller] = []

    def add_to(self, server: grpc.aio.Server) -> None:
        storage_pb2_grpc.add_StorageReadServiceServicer_to_server(self, server)

    async def GetInfo(self, request: Any, context: Any) -> storage_pb2.GetInfoResponse:  # noqa: N802 - grpc's
        await self._ready()
        return storage_pb2.GetInfoResponse(info=wire.info_to_proto(self.info))

    async def GetFile(self, request: Any, context: Any) -> storage_pb2.GetFileResponse:  # noqa: N802 - grpc's
        await self._ready()
        if FileId(request.file_id) not in self.files:
            raise NotFound("there is no such file")
        return storage_pb2.GetFileResponse(file=wire.file_to_proto(self.files[FileId(request.file_id)]))

    async def ListFiles(self, request: Any, context: Any) -> storage_pb2.ListFilesResponse:  # noqa: N802 - grpc's
        await self._ready()
        listed = sorted(self.files.values(), key=lambda each: (each.uploaded_at, each.file_id))
        begin = int(request.page.cursor or 0)
        end = begin + min(request.page.limit, self.page_size)
        more = end < len(listed)
        page = Page(listed[begin:end], len(listed), has_more=more, next_cursor=str(end) if more else "")
        self.pages += 1
        if self.pages == self.hangs_at_page:
            self.hanging.set()
            await asyncio.Event().wait()
        if self.documents and request.document_version:
            return storage_pb2.ListFilesResponse(documents=self.documents, page=page_pb2.PageInfo())
        return storage_pb2.ListFilesResponse(
            files=map(wire.file_to_proto, page.items), page=wire.page_info_to_proto(page)
        )

    async def _ready(self) -> None:
        self.callers.append(caller())
        self.asked.set()
        await self.answers.wait()
        if self.refuses:
            raise self.refuses


class PlayedElement:
    """An element on a port of its own, with the certificate of `storage_id`."""

    def __init__(self, certificates: Certificates, storage_id: str, **said: Any) -> None:
        self.says = ElementServicer(info(storage_id, **said))  # type: ignore[abstract]  # grpc has a default for each
        self.peer = Peer(certificates.element(storage_id), like_an_element(), self.says.add_to)

    @property
    def endpoint(self) -> str:
        return self.peer.address


class Admin:
    """The process, and everything that it is told."""

    def __init__(self, folder: Path, database: Database, certificates: Certificates) -> None:
        self.folder = folder
        self.database = database
        self.certificates = certificates
        self.secret = secrets.token_urlsafe(32)
        self.admin_password = secrets.token_urlsafe(18)
        self.key_encryption_key = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.process: Running
        self._channels: list[grpc.aio.Channel] = []
        self._take_ports()
        self.environment = {
            "AM_ISSUER": ISSUER,
            "AM_POSTGRES_DSN": database.owner_dsn,
            "AM_QUERY_ROLE": database.query_role,
            "AM_QUERY_PASSWORD_FILE": self._secret_file("query-password", QUERY_PASSWORD),
            "AM_KEY_ENCRYPTION_KEY_FILE": self._secret_file("key-encryption-key", self.key_encryption_key),
            "AM_SYSTEM_CLIENT_ID": CLIENT_ID,
            "AM_SYSTEM_CLIENT_SECRET_FILE": self._secret_file("system-secret", self.secret),
            "AM_ADMIN_USERNAME": "root",
            "AM_ADMIN_PASSWORD_FILE": self._secret_file("admin-password", self.admin_password),
            "AM_HEARTBEAT_INTERVAL": f"{HEARTBEAT}s",
            **environment("AM_", certificates.module("admin")),
        }

    def replica(self) -> Admin:
        """Another one of the same installation, on other ports."""
        other = self.seen_anew()
        other._take_ports()
        return other

    def seen_anew(self) -> Admin:
        """The same process with channels of the present event loop."""
        other = copy(self)
        other._channels = []
        return other

    def _take_ports(self) -> None:
        self.port, self.ops_port = free_port(), free_port()

    def put(self, setting: str, content: str) -> None:
        """Change what one of its secret files holds."""
        Path(self.environment[setting]).write_text(content)

    def _secret_file(self, name: str, value: str) -> str:
        path = self.folder / name
        path.write_text(value + "\n")
        return str(path)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run one of Admin's commands; its exit status and all that it said."""
        log = self.folder / f"{arguments[0]}-{secrets.token_hex(4)}.log"
        running = Running.start("services.admin", self.environment, log=log, arguments=arguments)
        return await running.exit_status(), running.log

    async def migrate(self) -> None:
        status, said = await self.command("migrate")
        assert status == 0, said

    def launch(self) -> None:
        """Start it; it need not become ready."""
        log = self.folder / f"admin-{self.port}.log"
        ports = {"AM_PORT": str(self.port), "AM_OPS_PORT": str(self.ops_port)}
        self.process = Running.start("services.admin", self.environment | ports, log=log, ops_port=self.ops_port)

    async def start(self) -> None:
        self.launch()
        await self.process.ready()

    async def restart(self) -> None:
        assert self.process.stop() == 0
        await self.start()

    async def disconnect(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def close(self) -> None:
        await self.disconnect()
        if hasattr(self, "process"):
            self.process.stop()

    async def forget(self) -> None:
        """Empty the registry behind its back."""
        connection = await asyncpg.connect(self.database.owner_dsn)
        await connection.execute("DELETE FROM admin.operations; DELETE FROM admin.files; DELETE FROM admin.elements")
        await connection.close()

    def channel(self, module: str) -> grpc.aio.Channel:
        """A channel with the certificate of that module."""
        channel = open_channel(self.address, server_name=server_name_of("admin"), tls=self.certificates.module(module))
        self._channels.append(channel)
        return channel

    def operations(self) -> OperationsClient:
        """What the gateway asks about operations."""
        return OperationsClient(self.channel("gateway"))

    def as_(self, module: str) -> AdminClient:
        """A client with the certificate of that module."""
        return AdminClient(self.channel(module))

    async def ask_token(self, secret: str | None = None, **form: str) -> IssuedToken | OAuthRefusal:
        """What the token endpoint answers to the system account."""
        credentials = {"client_id": CLIENT_ID, "client_secret": secret or self.secret}
        return await self.as_("gateway").issue_token({"grant_type": "client_credentials", **credentials, **form})

    async def token(self, **form: str) -> str:
        issued = await self.ask_token(**form)
        assert isinstance(issued, IssuedToken), issued
        return issued.access_token

    async def user(self, scope: str = "") -> Identity:
        """Somebody with a token of those scopes; empty: all."""
        token = await self.token(**({"scope": scope} if scope else {}))
        return Identity(Subject(CLIENT_ID), frozenset(scope.split()), token)
