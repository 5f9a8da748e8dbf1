"""Who may call an element: the certificate says which module, its word for whom."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from clients.storage import StorageClient
from services.chassis.caller import Identity
from services.chassis.channel import open_channel, server_name_of
from services.model.errors import Forbidden, StorageUnavailable, Unauthorized
from services.model.ids import Subject
from services.model.paging import PageRequest
from tests.doubles.documents import new_id
from tests.service.storage.conftest import ANNA, Calls, download, temporary, upload
from tests.support.certificates import Certificates

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("module", ["query", "admin"])
async def test_only_the_ingester_uploads(calls: Calls, module: str) -> None:
    with pytest.raises(Forbidden):
        await upload(calls.as_(module), b"x")


@pytest.mark.parametrize("module", ["gateway", "edge"])
async def test_the_word_of_the_edges_counts_nothing_on_an_element(calls: Calls, module: str) -> None:
    client = calls.as_(module)
    for call in (
        client.file(new_id(), on_behalf_of=ANNA),
        client.info(on_behalf_of=ANNA),
        download(client, new_id()),
        upload(client, b"x"),
    ):
        with pytest.raises(Unauthorized, match=module):
            await call


async def test_listing_is_admin_s(calls: Calls) -> None:
    for module in ("ingester", "query"):
        with pytest.raises(Forbidden):
            await calls.as_(module).files(None, PageRequest(), on_behalf_of=ANNA)


async def test_a_call_for_nobody_is_refused(calls: Calls) -> None:
    with pytest.raises(Unauthorized):
        await calls.as_("query").file(new_id(), on_behalf_of=None)


async def test_a_scope_that_is_missing_is_refused(calls: Calls) -> None:
    reader = Identity(Subject("reader"), frozenset({"files:read"}))
    with pytest.raises(Forbidden, match="files:write"):
        async with calls.as_("ingester").upload(temporary(), on_behalf_of=reader):
            pytest.fail("it was accepted")


async def test_a_certificate_of_another_authority_is_not_let_in(calls: Calls, tmp_path: Path) -> None:
    mine, theirs = calls.certificates.module("ingester"), Certificates(tmp_path).module("ingester")
    forged = type(mine)(cert=theirs.cert, key=theirs.key, ca=mine.ca)
    with pytest.raises(StorageUnavailable):
        await StorageClient(calls.channel(forged)).file(new_id(), on_behalf_of=ANNA)


async def test_without_a_certificate_nobody_is_let_in(calls: Calls) -> None:
    credentials = grpc.ssl_channel_credentials(calls.certificates.module("ingester").ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "se-edit-01.storage.artstore.internal")]
    async with grpc.aio.secure_channel(calls.element.address.endpoint, credentials, options) as channel:
        stub = storage_pb2_grpc.StorageReadServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetInfo(storage_pb2.GetInfoRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_element_is_not_taken_for_another_one(calls: Calls) -> None:
    for name in ("se-edit-02.storage.artstore.internal", server_name_of("admin")):
        tls = calls.certificates.module("query")
        channel = open_channel(calls.element.address.endpoint, server_name=name, tls=tls)
        with pytest.raises(StorageUnavailable):
            await StorageClient(channel).file(new_id(), on_behalf_of=ANNA)
        await channel.close()
