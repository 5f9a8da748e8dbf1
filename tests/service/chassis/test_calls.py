"""What every call meets: real sockets, real certificates, the real interceptor; only the servicers are the test's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import prometheus_client
import pytest
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis import deadlines, faults
from services.chassis.authentication import BearerAuthenticator, OnBehalfOfAuthenticator
from services.chassis.caller import ON_BEHALF_OF, Identity, caller, write_on_behalf_of
from services.chassis.channel import MAX_MESSAGE_BYTES, open_channel, server_name_of
from services.chassis.clock import SystemClock
from services.chassis.server import GrpcServer
from services.chassis.settings import ProcessSettings
from services.chassis.tls import TlsFiles
from services.chassis.tokens import TokenVerifier
from services.model.errors import (
    ERRORS,
    ArtStoreError,
    ErrorCode,
    FieldProblem,
    Forbidden,
    ServiceUnavailable,
    Unauthorized,
)
from services.model.ids import Subject
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

    async def start(self, *, element: bool) -> None:
        tls = self.certificates.module("admin")
        settings = ProcessSettings(
            port=int(self.address.rpartition(":")[2]), ops_port=1, tls_cert=tls.cert, tls_key=tls.key, tls_ca=tls.ca
        )
        verifier = TokenVerifier(self.keys, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
        authenticator: Any = (
            OnBehalfOfAuthenticator(frozenset({"ingester", "query"})) if element else BearerAuthenticator(verifier)
        )
        self.server = GrpcServer(settings, service="admin", authenticator=authenticator)
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


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several servers in one process, which only tests have, may not share a registry."""
    registry = prometheus_client.CollectorRegistry()
    monkeypatch.setattr("services.chassis.metrics.Counter", _of(prometheus_client.Counter, registry))
    monkeypatch.setattr("services.chassis.metrics.Gauge", _of(prometheus_client.Gauge, registry))
    monkeypatch.setattr("services.chassis.metrics.Histogram", _of(prometheus_client.Histogram, registry))


def _of(cls: Any, registry: prometheus_client.CollectorRegistry) -> Any:
    return lambda *args, **kwargs: cls(*args, registry=registry, **kwargs)


@pytest.fixture
async def ground(tmp_path: Path, keys: SigningKeys, fresh_metrics: None) -> AsyncIterator[Ground]:
    """An Admin-like server: it reads bearers."""
    made = Ground(tmp_path, keys)
    await made.start(element=False)
    yield made
    await made.close()


@pytest.fixture
async def element(tmp_path: Path, keys: SigningKeys, fresh_metrics: None) -> AsyncIterator[Ground]:
    """An element-like server: it believes trusted modules."""
    made = Ground(tmp_path, keys)
    await made.start(element=True)
    yield made
    await made.close()


async def select(ground: Ground, module: str = "ingester", **metadata: str) -> Any:
    stub = elements_pb2_grpc.PlacementServiceStub(ground.channel(module))
    with faults.translated():
        return await stub.SelectElement(
            elements_pb2.SelectElementRequest(), metadata=tuple(metadata.items()), timeout=10
        )


def raises(error: Exception) -> Behaviour:
    async def behaviour() -> None:
        raise error

    return behaviour


@pytest.mark.parametrize("code", list(ErrorCode))
async def test_every_error_arrives_as_what_it_was(ground: Ground, code: ErrorCode) -> None:
    sent = ERRORS[code]("Слишком большой файл", [FieldProblem("размер", "too large")], retry_after=2.5)
    ground.servicers.does = raises(sent)
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel())
    with pytest.raises(ArtStoreError) as caught, faults.translated():
        await stub.GetJwks(auth_pb2.GetJwksRequest(), timeout=10)
    seen = caught.value
    assert (type(seen), seen.message, seen.details, seen.retry_after) == (
        type(sent), sent.message, sent.details, sent.retry_after,
    )  # fmt: skip


async def test_any_other_error_is_internal_without_detail(ground: Ground) -> None:
    ground.servicers.does = raises(RuntimeError("password=hunter2"))
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel())
    with pytest.raises(ArtStoreError) as caught, faults.translated():
        await stub.GetJwks(auth_pb2.GetJwksRequest(), timeout=10)
    assert caught.value.code is ErrorCode.INTERNAL_ERROR
    assert "hunter2" not in caught.value.message


async def test_an_error_in_the_middle_of_a_stream_arrives_too(element: Ground) -> None:
    element.servicers.does = raises(ERRORS[ErrorCode.FILE_DAMAGED]("differs from its digest"))
    stub = storage_pb2_grpc.StorageReadServiceStub(element.channel("query"))
    word = write_on_behalf_of(Identity(Subject("a"), frozenset({"files:read"})), "r")
    call = stub.Download(storage_pb2.DownloadRequest(), metadata=((ON_BEHALF_OF, word),), timeout=10)
    first = await call.read()
    assert isinstance(first, storage_pb2.DownloadResponse)
    assert first.chunk == b"first"
    with pytest.raises(ERRORS[ErrorCode.FILE_DAMAGED]), faults.translated():
        await call.read()


async def test_a_valid_token_with_the_scope_is_admitted(ground: Ground) -> None:
    seen: list[Any] = []

    async def look() -> None:
        seen.append((caller().module, caller().subject, caller().request_id))

    ground.servicers.does = look
    bearer = f"Bearer {ground.keys.token(scope='files:write')}"
    await select(ground, authorization=bearer, **{"x-request-id": "r-1"})
    assert seen == [("ingester", "sa_test", "r-1")]


@pytest.mark.parametrize(
    ("authorization", "error"),
    [(None, Unauthorized), ("Bearer x", Unauthorized), ("Basic eDp5", Unauthorized), ("", Unauthorized)],
)
async def test_without_a_valid_token_nothing_runs(
    ground: Ground, authorization: str | None, error: type[Exception]
) -> None:
    ground.servicers.does = raises(AssertionError("it ran"))
    with pytest.raises(error):
        await select(ground, **({} if authorization is None else {"authorization": authorization}))


async def test_a_token_without_the_scope_is_forbidden(ground: Ground) -> None:
    ground.servicers.does = raises(AssertionError("it ran"))
    with pytest.raises(Forbidden, match="files:write"):
        await select(ground, authorization=f"Bearer {ground.keys.token(scope='files:read')}")


async def test_a_module_that_is_not_named_is_forbidden_whatever_its_token(ground: Ground) -> None:
    ground.servicers.does = raises(AssertionError("it ran"))
    with pytest.raises(Forbidden, match="gateway"):
        await select(ground, "gateway", authorization=f"Bearer {ground.keys.token(scope='files:write')}")


async def test_an_element_ignores_bearers(element: Ground) -> None:
    with pytest.raises(Unauthorized):
        await select(element, authorization=f"Bearer {element.keys.token(scope='files:write')}")


async def test_an_untrusted_module_cannot_speak_for_users(element: Ground) -> None:
    word = write_on_behalf_of(Identity(Subject("root"), frozenset({"files:write"})), "r")
    with pytest.raises(Unauthorized, match="gateway"):
        await select(element, "gateway", **{ON_BEHALF_OF: word})


async def test_a_certificate_of_another_authority_cannot_connect(ground: Ground, tmp_path: Path) -> None:
    foreign = Certificates(tmp_path / "elsewhere").module("gateway")
    tls = TlsFiles(cert=foreign.cert, key=foreign.key, ca=ground.certificates.module("gateway").ca)
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel(tls=tls))
    with pytest.raises(ServiceUnavailable), faults.translated():
        await stub.GetJwks(auth_pb2.GetJwksRequest(), timeout=10)


async def test_a_server_with_another_name_is_not_believed(ground: Ground) -> None:
    channel = open_channel(
        ground.address, server_name=server_name_of("query"), tls=ground.certificates.module("gateway")
    )
    with pytest.raises(ServiceUnavailable), faults.translated():
        await auth_pb2_grpc.KeyServiceStub(channel).GetJwks(auth_pb2.GetJwksRequest(), timeout=10)
    await channel.close()


@pytest.mark.parametrize(("version", "accepted"), [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)])
async def test_only_tls_1_3_is_spoken(ground: Ground, version: ssl.TLSVersion, accepted: bool) -> None:
    files = ground.certificates.module("gateway")
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    host, _, port = ground.address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=server_name_of("admin"))
    except (ssl.SSLError, ConnectionError):
        assert not accepted
    else:
        writer.close()
        assert accepted


async def test_a_call_without_a_deadline_gets_one(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "UNARY", 0.2)
    ground.servicers.does = for_ever
    with pytest.raises(ERRORS[ErrorCode.DEADLINE_EXCEEDED]), faults.translated():
        await auth_pb2_grpc.KeyServiceStub(ground.channel()).GetJwks(auth_pb2.GetJwksRequest())


async def test_what_is_left_of_a_callers_deadline_is_known(ground: Ground) -> None:
    left: list[float | None] = []

    async def look() -> None:
        left.append(deadlines.remaining(30))

    ground.servicers.does = look
    await auth_pb2_grpc.KeyServiceStub(ground.channel()).GetJwks(auth_pb2.GetJwksRequest(), timeout=5)
    assert left[0] is not None
    assert 3 < left[0] < 5


async def test_a_caller_that_leaves_cancels_the_work(ground: Ground) -> None:
    started = asyncio.Event()

    async def begin() -> None:
        started.set()
        await for_ever()

    ground.servicers.does = begin
    call = auth_pb2_grpc.KeyServiceStub(ground.channel()).GetJwks(auth_pb2.GetJwksRequest(), timeout=30)
    waiting = asyncio.ensure_future(_code(call))
    await asyncio.wait_for(started.wait(), 5)
    call.cancel()
    assert await waiting is grpc.StatusCode.CANCELLED
    await asyncio.wait_for(ground.servicers.cancelled.wait(), 5)


async def _code(call: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = await call.code()
    return code


async def test_a_message_beyond_the_limit_is_refused(element: Ground) -> None:
    element.servicers.does = nothing
    word = write_on_behalf_of(Identity(Subject("a"), frozenset({"files:write"})), "r")
    stub = storage_pb2_grpc.StorageWriteServiceStub(element.channel("ingester"))

    async def frames() -> AsyncIterator[storage_pb2.UploadRequest]:
        yield storage_pb2.UploadRequest(chunk=bytes(MAX_MESSAGE_BYTES))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Upload(frames(), metadata=((ON_BEHALF_OF, word),), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_health_is_told_to_any_module(ground: Ground) -> None:
    stub: Any = health_pb2_grpc.HealthStub(ground.channel("query"))
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_drain_lets_calls_end_and_takes_no_new_ones(ground: Ground) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        started.set()
        await go_on.wait()

    ground.servicers.does = slow
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel())
    call = asyncio.ensure_future(stub.GetJwks(auth_pb2.GetJwksRequest(), timeout=30))
    await asyncio.wait_for(started.wait(), 5)
    drain = asyncio.create_task(ground.server.drain(timedelta(seconds=10)))
    await asyncio.sleep(0.1)
    with pytest.raises(ServiceUnavailable), faults.translated():
        await auth_pb2_grpc.KeyServiceStub(ground.channel()).GetJwks(auth_pb2.GetJwksRequest(), timeout=5)
    assert not drain.done()
    go_on.set()
    assert (await call).jwks_json == "{}"
    await asyncio.wait_for(drain, 5)
