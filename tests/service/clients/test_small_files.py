"""Small files that share a call to an element, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from artstore.storage.v1 import storage_pb2

from clients import storage_small
from clients.frames import encode_chunk
from clients.storage import StorageClient, StoragePool
from services.chassis import deadlines, request_id
from services.chassis.caller import Identity
from services.model.errors import ChecksumMismatch, ModeNotAllowed, StorageUnavailable
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import Subject
from tests.doubles.documents import SOMEBODY, an_element, new_id
from tests.doubles.element_server import FakeElementServer
from tests.support.certificates import Certificates
from tests.support.peer import Peer, like_an_element


class Older(FakeElementServer):
    """An element of a version that takes small files one by one only."""

    def add_to(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "StoreFile": grpc.unary_unary_rpc_method_handler(
                self.StoreFile,
                request_deserializer=storage_pb2.StoreFileRequest.FromString,
                response_serializer=storage_pb2.StoreFileResponse.SerializeToString,
            )
        }
        service = "artstore.storage.v1.StorageWriteService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


@pytest.fixture
def element(request: pytest.FixtureRequest) -> FakeElementServer:
    kind: Callable[[], FakeElementServer] = getattr(request, "param", FakeElementServer)
    return kind()


@pytest.fixture
async def client(element: FakeElementServer, tmp_path: Path) -> AsyncIterator[StorageClient]:
    certificates = Certificates(tmp_path / "tls")
    peer = Peer(certificates.element("se-rw-01"), like_an_element(), element.add_to)
    await peer.start()
    async with StoragePool(certificates.module("ingester")) as pool:
        yield pool.client(an_element("se-rw-01", peer.address))
    await peer.stop()


async def store(
    client: StorageClient, content: bytes = b"x", by: Identity = SOMEBODY, size: int | None = None, rid: str = ""
) -> FileAttributes:
    request_id.bind(rid)
    new = NewFile("a.pdf", RetentionPolicy.PERMANENT, file_id=new_id())
    commit = UploadCommit(len(content) if size is None else size)
    return await client.store(new, [encode_chunk(content)], commit, on_behalf_of=by)


async def test_one_that_comes_alone_goes_alone(client: StorageClient, element: FakeElementServer) -> None:
    for _ in range(3):
        assert (await store(client, rid="its-own")).size == 1
    assert element.together == []
    assert {each.request_id for each in element.callers} == {"its-own"}


async def test_those_that_come_together_share_calls_and_nothing_else(
    client: StorageClient, element: FakeElementServer
) -> None:
    size = dict.fromkeys((3, 17), 99)
    outcomes = await asyncio.gather(
        *(store(client, b"%d" % n, size=size.get(n), rid=f"request-{n}") for n in range(40)), return_exceptions=True
    )
    for n, each in enumerate(outcomes):
        if n in size:
            assert isinstance(each, ChecksumMismatch)
        else:
            assert isinstance(each, FileAttributes)
            assert element.files[each.file_id][1] == b"%d" % n, "each has the answer to what it sent"
    told = [each for call in element.together for each in call]
    assert sorted(told) == sorted(f"request-{n}" for n in range(40))
    assert len(element.together) == 2
    assert not {each.request_id for each in element.callers} & set(told)


async def test_nobody_acts_with_the_rights_of_another(client: StorageClient, element: FakeElementServer) -> None:
    users = [
        SOMEBODY,
        replace(SOMEBODY, subject=Subject("sa_other_1")),
        replace(SOMEBODY, scopes=frozenset({"files:write"})),
    ]
    await asyncio.gather(*(store(client, by=users[n % 3], rid=f"{n % 3}") for n in range(30)))
    for caller, ids in zip(element.callers, element.together, strict=True):
        assert caller.user == replace(users[int(ids[0])], token=None)
        assert len(set(ids)) == 1


async def test_whoever_leaves_takes_nobody_with_him(client: StorageClient, element: FakeElementServer) -> None:
    element.stores.clear()
    first = [asyncio.create_task(store(client)) for _ in range(6)]
    await element.called.wait()
    later = [asyncio.create_task(store(client)) for _ in range(6)]
    await asyncio.sleep(0)
    for each in (first[0], first[5], later[0], later[3]):
        each.cancel()
    await asyncio.sleep(0)
    element.stores.set()
    outcomes = await asyncio.gather(*first, *later, return_exceptions=True)
    left = [n for n, each in enumerate(outcomes) if isinstance(each, asyncio.CancelledError)]
    assert left == [0, 5, 6, 9]
    assert len(element.files) == 10, "those that had not been sent are not sent"
    assert sum(isinstance(each, FileAttributes) for each in outcomes) == 8


async def test_whoever_runs_out_of_time_is_told_what_is_known(
    client: StorageClient, element: FakeElementServer
) -> None:
    element.stores.clear()
    patient = [asyncio.create_task(store(client)) for _ in range(4)]
    await element.called.wait()

    async def hurried() -> FileAttributes:
        deadlines.bind(0.2)
        return await store(client)

    with pytest.raises(StorageUnavailable) as unsent:
        await hurried()
    assert not unsent.value.outcome_unknown
    element.stores.set()
    assert len(await asyncio.gather(*patient)) == len(element.files) == 4


async def test_where_no_answer_comes_each_is_told_that_nothing_is_known(
    client: StorageClient, element: FakeElementServer
) -> None:
    element.breaks_off_stores = 2
    outcomes = await asyncio.gather(*(store(client) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(each, StorageUnavailable) and each.outcome_unknown for each in outcomes)
    assert len(set(map(id, outcomes))) == 4, "each has an error of its own"


async def test_what_refuses_a_call_refuses_each_in_it(client: StorageClient, element: FakeElementServer) -> None:
    element.refuses_header = ModeNotAllowed("it is read-only")
    outcomes = await asyncio.gather(*(store(client) for _ in range(4)), return_exceptions=True)
    assert list(map(type, outcomes)) == [ModeNotAllowed] * 4


@pytest.mark.parametrize("element", [Older], indirect=True)
async def test_an_older_element_is_given_them_one_by_one(client: StorageClient, element: FakeElementServer) -> None:
    sizes = [7 if n == 5 else None for n in range(8)]
    outcomes = await asyncio.gather(*(store(client, size=size) for size in sizes), return_exceptions=True)
    assert [type(each) for each in outcomes].count(FileAttributes) == 7
    assert isinstance(outcomes[5], ChecksumMismatch)
    assert len(element.callers) == 8


async def test_large_ones_go_by_themselves(client: StorageClient, element: FakeElementServer) -> None:
    large = bytes(storage_small.LARGEST + 1)
    files = await asyncio.gather(*(store(client, large) for _ in range(3)), store(client))
    assert [each.size for each in files] == [len(large)] * 3 + [1]
    assert element.together == []
