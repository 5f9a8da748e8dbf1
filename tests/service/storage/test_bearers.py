"""A person's tool calls an element directly: with the operator's certificate, and a token for that very element."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from artstore.storage.v1 import feed_pb2, feed_pb2_grpc, uploads_pb2, uploads_pb2_grpc

from clients import wire
from clients.storage import StorageClient
from services.chassis.channel import element_server_name, open_channel
from services.model.errors import ArtStoreError, Forbidden, NotFound, StorageUnavailable, Unauthorized
from services.model.files import UploadCommit
from services.model.ids import FileId
from tests.doubles.documents import new_id
from tests.doubles.key_server import KeyServer, key_server
from tests.doubles.keys import ISSUER, SigningKeys
from tests.service.storage.conftest import ANNA, Calls, temporary
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "urn:artstore:storage:se-edit-01"
KEYS = SigningKeys()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[KeyServer]:
    with key_server() as made:
        made.publish(*KEYS.keys)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edit(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, provider: KeyServer
) -> AsyncIterator[RunningElement]:
    """An element that takes tokens."""
    element = await RunningElement.start(
        tmp_path_factory.mktemp("bearers"),
        certificates,
        "se-edit-01",
        "edit",
        JWKS_URL=provider.url,
        TOKEN_ISSUER=ISSUER,
    )
    try:
        yield element
    finally:
        assert element.process.stop() == 0


class Direct:
    """Calls with a bearer, as grpcurl makes them."""

    def __init__(self, calls: Calls, module: str = "operator") -> None:
        tls = calls.certificates.module(module)
        self._channel = calls.channel(tls)

    async def info(self, token: str | None, **metadata: str) -> str:
        from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

        from services.chassis.faults import translated

        sent = {**({"authorization": f"Bearer {token}"} if token is not None else {}), **metadata}
        pairs = tuple((name.replace("_", "-"), value) for name, value in sent.items())
        with translated(StorageUnavailable):
            answer = await storage_pb2_grpc.StorageReadServiceStub(self._channel).GetInfo(
                storage_pb2.GetInfoRequest(), metadata=pairs, timeout=10
            )
        return str(answer.info.storage_id)


def token(scope: str = "storage:read", **changes: Any) -> str:
    return KEYS.token(**{"aud": OWN, "scope": scope, **changes})


async def test_a_token_for_this_element_opens_it(calls: Calls) -> None:
    assert await Direct(calls).info(token()) == "se-edit-01"


def bad() -> dict[str, str]:
    now = int(time.time())
    return {
        "garbage": "garbage",
        "for the services": token(aud="artstore"),
        "for another element": token(aud="urn:artstore:storage:se-edit-02"),
        "for background work": token(aud="artstore-internal"),
        "for nobody": token(aud=None),
        "expired": token(exp=now - 60),
        "not yet valid": token(nbf=now + 60),
        "of another issuer": token(iss="https://elsewhere"),
        "of another type": token(header={"typ": "JWT"}),
        "of another algorithm": token(alg="PS256"),
        "of an unknown key": token(header={"kid": "foreign"}),
    }


@pytest.mark.parametrize("which", bad())
async def test_any_other_token_does_not(calls: Calls, which: str) -> None:
    with pytest.raises(Unauthorized):
        await Direct(calls).info(bad()[which])


async def test_keys_named_by_a_token_are_not_fetched(calls: Calls, provider: KeyServer) -> None:
    for name in ("jku", "x5u"):
        with pytest.raises(Unauthorized):
            await Direct(calls).info(token(header={"kid": "foreign", name: provider.url + "/" + name}))
    assert set(provider.asked) == {"/keys"}


async def test_whether_the_keys_can_be_had_is_a_metric(edit: RunningElement, provider: KeyServer) -> None:
    def shown(metrics: str) -> set[str]:
        line = next((each for each in metrics.splitlines() if each.startswith("app_dependency_health{")), "")
        return {*line.removeprefix("app_dependency_health{").replace("} ", ",").split(",")}

    port = provider.url.rpartition(":")[2].split("/")[0]
    expected = {'dependency="keys"', 'type="http"', 'host="127.0.0.1"', f'port="{port}"', 'critical="no"', "1.0"}
    assert shown(await edit.process.metrics()) >= expected
    assert "keys" not in (await edit.process.health())["checks"]


async def test_unknown_keys_cause_no_storm_of_fetches(calls: Calls, provider: KeyServer) -> None:
    before = len(provider.asked)
    for number in range(30):
        with pytest.raises(Unauthorized):
            await Direct(calls).info(token(header={"kid": f"foreign-{number}"}))
    assert len(provider.asked) - before <= 2


async def test_the_certificate_alone_allows_nothing(calls: Calls) -> None:
    with pytest.raises(Unauthorized, match="needs a user"):
        await Direct(calls).info(None)


async def test_an_operator_speaks_for_nobody_but_himself(calls: Calls) -> None:
    word = {"artstore_on_behalf_of": '{"sub": "anna", "scopes": ["storage:read"]}'}
    with pytest.raises(Unauthorized, match="operator"):
        await Direct(calls).info(None, **word)
    with pytest.raises(Unauthorized, match="not both"):
        await Direct(calls).info(token(), **word)
    with pytest.raises(Unauthorized, match="not both"):
        await Direct(calls, "query").info(token(), **word)


async def test_a_scope_that_is_missing_is_refused(calls: Calls) -> None:
    with pytest.raises(Forbidden, match="storage:read"):
        await Direct(calls).info(token("files:read files:write storage:write"))


async def test_other_modules_gain_nothing_by_a_token(calls: Calls) -> None:
    with pytest.raises(Forbidden, match="gateway"):
        await Direct(calls, "gateway").info(token())


async def test_another_element_speaks_for_nobody(calls: Calls, certificates: Certificates) -> None:
    """Its host may be somebody else's; only the element's own replicas are believed."""
    address, name = calls.element.address.endpoint, element_server_name("se-edit-01")
    outcomes: dict[str, type[ArtStoreError]] = {}
    for storage_id in ("se-edit-02", "se-edit-01"):
        channel = open_channel(address, server_name=name, tls=certificates.element(storage_id))
        client = StorageClient(channel)
        with pytest.raises(ArtStoreError) as refused:
            await client.file(FileId(new_id()), on_behalf_of=ANNA)
        outcomes[storage_id] = type(refused.value)
        await channel.close()
    assert outcomes == {"se-edit-02": Unauthorized, "se-edit-01": NotFound}


async def test_an_operator_uploads_by_parts_too(calls: Calls) -> None:
    sent = (("authorization", f"Bearer {token('files:write')}"),)
    stub = uploads_pb2_grpc.StorageUploadServiceStub(calls.channel(calls.certificates.module("operator")))
    header = wire.new_file_to_proto(temporary())
    begun = await stub.CreateUpload(uploads_pb2.CreateUploadRequest(header=header), metadata=sent, timeout=10)
    frames = [
        uploads_pb2.AppendUploadRequest(header=uploads_pb2.AppendUploadHeader(upload_id=begun.upload.upload_id)),
        uploads_pb2.AppendUploadRequest(chunk=b"by hand"),
        uploads_pb2.AppendUploadRequest(end=uploads_pb2.AppendUploadEnd(size=7)),
    ]
    assert (await stub.AppendUpload(iter(frames), metadata=sent, timeout=10)).upload.offset == 7
    request = uploads_pb2.CompleteUploadRequest(
        upload_id=begun.upload.upload_id, commit=wire.commit_to_proto(UploadCommit(7))
    )
    assert (await stub.CompleteUpload(request, metadata=sent, timeout=10)).file.size == 7


async def test_an_operator_watches_what_changes(calls: Calls) -> None:
    """A stream, too: whatever an element does for a user it does for an operator who has the scope."""
    channel = calls.channel(calls.certificates.module("operator"))
    watch, asked = feed_pb2_grpc.StorageFeedServiceStub(channel).WatchChanges, feed_pb2.WatchChangesRequest()
    call = watch(asked, metadata=(("authorization", f"Bearer {token('storage:read')}"),), timeout=10)
    assert await call.read()
    call.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await watch(asked, metadata=(("authorization", f"Bearer {token('files:read')}"),), timeout=10).read()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_element_without_keys_takes_no_token(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    element = await RunningElement.start(tmp_path_factory.mktemp("deaf"), certificates, "se-edit-01", "edit")
    calls = Calls(element, certificates)
    try:
        with pytest.raises(Unauthorized, match="takes no tokens"):
            await Direct(calls).info(token())
    finally:
        await calls.close()
        assert element.process.stop() == 0
