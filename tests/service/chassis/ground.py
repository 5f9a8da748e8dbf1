"""A server with the real interceptor and servicers that do what a test says; and the ways to call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from services.chassis.authentication import BearerAuthenticator, OnBehalfOfAuthenticator
from services.chassis.channel import open_channel, server_name_of
from services.chassis.clock import SystemClock
from services.chassis.places import Places
from services.chassis.server import GrpcServer
from services.chassis.settings import ProcessSettings
from services.chassis.tls import TlsFiles
from services.chassis.tokens import TokenVerifier
from tests.doubles.keys import AUDIENCE, ISSUER, SigningKeys
from tests.support.certificates import Certificates
from tests.support.processes import free_port

Behaviour = Callable[[], Awaitable[None]]


async def nothing() -> None:
    return


async def for_ever() -> None:
    await asyncio.Event().wait()


class Servicers(
    auth_pb2_grpc.KeyServiceServicer,
    elements_pb2_grpc.PlacementServiceServicer,
    storage_pb2_grpc.StorageReadServiceServicer,
    storage_pb2_grpc.StorageWriteServiceServicer,
):
    """Every method that the tests call does what the test put into `does`; the others are left unimplemented."""

    def __init__(self) -> None:
        self.does: Behaviour = nothing
        self.cancelled = asyncio.Event()
        self.downloads: Callable[[Any, Any], AsyncIterator[storage_pb2.DownloadResponse]] | None = None
        """Instead of one chunk."""

    async def GetJwks(self, request: Any, context: Any) -> auth_pb2.GetJwksResponse:  # noqa: N802
        try:
            await self.does()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return auth_pb2.GetJwksResponse(jwks_json="{}")

    async def SelectElement(self, request: Any, context: Any) -> elements_pb2.SelectElementResponse:  # noqa: N802
        await self.does()
        return elements_pb2.SelectElementResponse()

    async def Download(self, request: Any, context: Any) -> AsyncIterator[storage_pb2.DownloadResponse]:  # noqa: N802
        if self.downloads is not None:
            async for response in self.downloads(request, context):
                yield response
            return
        yield storage_pb2.DownloadResponse(chunk=b"first")
        await self.does()

    async def Upload(self, request_iterator: Any, context: Any) -> storage_pb2.UploadResponse:  # noqa: N802
        async for _ in request_iterator:
            await self.does()
        return storage_pb2.UploadResponse()


class Ground:
    """A server and the ways to call it."""

    def __init__(self, folder: Path, keys: SigningKeys) -> None:
        self.certificates = Certificates(folder / "tls")
        self.keys = keys
        self.servicers = Servicers()  # type: ignore[abstract]  # only the types are; grpc has a default for each
        self.address = f"127.0.0.1:{free_port()}"
        self._channels: list[grpc.aio.Channel] = []
        self.server: GrpcServer

    async def start(self, *, element: bool, places: Mapping[str, Places] | None = None) -> None:
        tls = self.certificates.module("admin")
        settings = ProcessSettings(
            port=int(self.address.rpartition(":")[2]), ops_port=1, tls_cert=tls.cert, tls_key=tls.key, tls_ca=tls.ca
        )
        verifier = TokenVerifier(self.keys, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
        authenticator: Any = (
            OnBehalfOfAuthenticator(frozenset({"ingester", "query"})) if element else BearerAuthenticator(verifier)
        )
        self.server = GrpcServer(settings, service="admin", authenticator=authenticator, places=places)
        auth_pb2_grpc.add_KeyServiceServicer_to_server(self.servicers, self.server.grpc)
        elements_pb2_grpc.add_PlacementServiceServicer_to_server(self.servicers, self.server.grpc)
        storage_pb2_grpc.add_StorageReadServiceServicer_to_server(self.servicers, self.server.grpc)
        storage_pb2_grpc.add_StorageWriteServiceServicer_to_server(self.servicers, self.server.grpc)
        await self.server.start(["artstore.admin.v1.KeyService"])

    def channel(self, module: str = "gateway", tls: TlsFiles | None = None) -> grpc.aio.Channel:
        channel = open_channel(
            self.address, server_name=server_name_of("admin"), tls=tls or self.certificates.module(module)
        )
        self._channels.append(channel)
        return channel

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self.server.drain(timedelta(seconds=0))
