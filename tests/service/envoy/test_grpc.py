"""How gRPC is passed on: to the right service and no impostor, with the edge's certificate; watches hinder no stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.standalone import envoy
from tests.service.envoy.conftest import Door, Doors
from tests.support.certificates import Certificates
from tests.support.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCH = "artstore.admin.v1.HealthWatchService"


class Watched:
    """Answers a watch once, then keeps silent for ever."""

    def __init__(self) -> None:
        self.callers: list[bytes] = []
        self.headers: dict[str, Any] = {}

    async def watch(self, _: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        self.callers += context.auth_context()["x509_subject_alternative_name"]
        self.headers = dict(context.invocation_metadata() or ())
        yield b""
        await asyncio.Event().wait()


@asynccontextmanager
async def watched(doors: Doors, name: str, *, certificate: str = "admin") -> AsyncIterator[tuple[Door, Watched]]:
    """A door before an Admin that shows the certificate of `certificate`."""
    port, servicer = free_port(), Watched()
    door = await doors.open(name, admin=("127.0.0.1", port))
    server = grpc.aio.server()
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "WatchElements": grpc.unary_stream_rpc_method_handler(servicer.watch)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(WATCH, methods),))
    server.add_secure_port(f"127.0.0.1:{port}", Certificates(door.folder).module(certificate).server_credentials())
    await server.start()
    try:
        yield door, servicer
    finally:
        await doors.close(door)
        await server.stop(None)


@asynccontextmanager
async def watching(door: Door) -> AsyncIterator[Any]:
    """A call from outside that watches."""
    credentials = grpc.ssl_channel_credentials((door.folder / "ca.pem").read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{door.port}", credentials) as channel:
        bearer = (("authorization", f"Bearer {door.keys.token()}"), ("artstore-on-behalf-of", "{}"))
        watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{WATCH}/WatchElements")
        yield watch(b"", metadata=bearer, timeout=60)


async def test_a_service_is_called_with_the_certificate_of_the_edge_and_what_is_forged_stays_outside(
    doors: Doors,
) -> None:
    async with watched(doors, "called") as (door, servicer), watching(door) as call:
        assert await call.read() == b""
        assert b"spiffe://artstore/edge" in servicer.callers
        assert servicer.headers["authorization"].startswith("Bearer ")
        assert "artstore-on-behalf-of" not in servicer.headers


async def test_who_answers_with_another_modules_certificate_is_not_believed(doors: Doors) -> None:
    async with watched(doors, "impostor", certificate="query") as (door, servicer), watching(door) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert servicer.callers == []


async def test_a_stop_does_not_wait_for_those_who_only_watch(doors: Doors) -> None:
    async with watched(doors, "stopped") as (door, _), watching(door) as call:
        assert await call.read() == b""
        assert await envoy.active_requests(door.admin_socket) == 0
        async with asyncio.timeout(10):  # less than the patience with others
            await envoy.drain(door.admin_socket)
        assert not call.done()
