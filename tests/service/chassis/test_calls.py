"""What every call meets: real sockets, real certificates, the real interceptor; only the servicers are the test's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis import deadlines, faults
from services.chassis.caller import ON_BEHALF_OF, Identity, caller, write_on_behalf_of
from services.chassis.channel import MAX_MESSAGE_BYTES, open_channel, server_name_of
from services.chassis.tls import TlsFiles
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
from tests.service.chassis.ground import Behaviour, Ground, for_ever, nothing
from tests.support.certificates import Certificates


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
