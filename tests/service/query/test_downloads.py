"""Documents on their way from a real element through a real Query."""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import AsyncExitStack
from dataclasses import replace

import grpc
import pytest
from artstore.query.v1 import query_pb2, query_pb2_grpc

from clients import metadata, wire
from clients.query import QueryClient
from services.model.errors import (
    ArtStoreError,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    Forbidden,
    NotFound,
    RangeNotSatisfiable,
    StorageUnavailable,
    Unauthorized,
)
from services.model.files import ByteRange, FileAttributes, FileStatus
from tests.doubles.documents import NOON, a_file, an_element, new_id
from tests.service.query.conftest import PATIENCE, Ground
from tests.support.peer import Peer, like_an_element
from tests.support.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
CONTENT = random.Random(9).randbytes(3 * MIB + 17)  # noqa: S311 - the same in every run


async def fetch(ground: Ground, client: QueryClient, file: FileAttributes, wanted: ByteRange | None = None) -> bytes:
    async with (
        asyncio.timeout(PATIENCE),
        client.download(file.file_id, wanted, on_behalf_of=ground.somebody()) as download,
    ):
        assert (download.file.sha256, download.range) == (file.sha256, wanted)
        content = b"".join([bytes(chunk) async for chunk in download.chunks()])
        assert len(content) == download.length
        return content


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "3 MiB and 17 bytes"])
async def test_a_document_comes_back(ground: Ground, client: QueryClient, content: bytes) -> None:
    file = await ground.stored(content)
    assert await fetch(ground, client, file) == content


@pytest.mark.parametrize(
    "wanted", [ByteRange(0, 0), ByteRange(0, 99), ByteRange(MIB - 1, 2 * MIB), ByteRange(3 * MIB, 3 * MIB + 16)]
)
async def test_a_part_comes_back(ground: Ground, client: QueryClient, wanted: ByteRange) -> None:
    file = await ground.stored(CONTENT)
    assert await fetch(ground, client, file, wanted) == CONTENT[wanted.first : wanted.last + 1]


async def test_a_part_beyond_the_end_is_refused(ground: Ground, client: QueryClient) -> None:
    file = await ground.stored(b"0123456789")
    for wanted in (ByteRange(10, 10), ByteRange(0, 10)):
        with pytest.raises(RangeNotSatisfiable):
            await fetch(ground, client, file, wanted)


async def test_the_stream_is_what_the_contract_says(ground: Ground, channel: grpc.aio.Channel) -> None:
    file = await ground.stored(CONTENT)
    stub = query_pb2_grpc.QueryServiceStub(channel)
    call = stub.Download(
        query_pb2.DownloadRequest(file_id=file.file_id), metadata=metadata.bearer(ground.somebody()), timeout=PATIENCE
    )
    header, *chunks, trailer = [message async for message in call]
    assert wire.file_from_proto(header.header.file) == file
    assert b"".join(message.chunk for message in chunks) == CONTENT
    assert wire.trailer_from_proto(trailer.trailer).sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"status": FileStatus.DELETED}, FileDeleted), ({"status": FileStatus.EXPIRED}, FileExpired),
     ({"status": FileStatus.MISSING}, FileMissing), ({"status": FileStatus.DAMAGED}, FileDamaged),
     ({"expires_at": NOON.replace(year=2020)}, FileExpired)],
    ids=["deleted", "expired", "missing", "damaged", "past its end"],
)  # fmt: skip
async def test_what_is_not_active_is_refused_without_asking_the_element(
    ground: Ground, client: QueryClient, changes: dict[str, object], error: type[ArtStoreError]
) -> None:
    file = replace(ground.played.put(CONTENT), **changes)  # type: ignore[arg-type]
    await ground.register(file, ground.played_address)
    with pytest.raises(error):
        await fetch(ground, client, file)
    assert ground.played.callers == []


async def test_an_unknown_document_is_not_found(ground: Ground, client: QueryClient) -> None:
    with pytest.raises(NotFound):
        await fetch(ground, client, a_file())
    with pytest.raises(NotFound):
        await client.file(new_id(), on_behalf_of=ground.somebody())


async def test_an_element_learns_the_user_and_not_his_token(ground: Ground, client: QueryClient) -> None:
    file = ground.played.put(CONTENT)
    await ground.register(file, ground.played_address)
    assert await fetch(ground, client, file) == CONTENT
    (seen,) = ground.played.callers
    assert (seen.module, seen.user.subject, seen.user.token) == ("query", "sa_reader_1", None)


async def test_an_element_that_is_not_there_is_told(ground: Ground, client: QueryClient) -> None:
    file = a_file(size=5)
    await ground.register(file, an_element("se-away-01", f"127.0.0.1:{free_port()}"))
    with pytest.raises(StorageUnavailable) as told:
        await fetch(ground, client, file)
    assert told.value.retry_after
    assert (await client.file(file.file_id, on_behalf_of=ground.somebody())).status is FileStatus.ACTIVE


async def test_a_document_that_its_element_lost_is_reported_and_answered_by_the_fresh_row(
    ground: Ground, client: QueryClient
) -> None:
    file = a_file(size=5)
    await ground.register(file, ground.played_address)
    ground.admin.marks_as = replace(file, status=FileStatus.MISSING)
    with pytest.raises(FileMissing):
        await fetch(ground, client, file)
    assert ground.admin.marked == [file.file_id]


@pytest.mark.parametrize("after", [0, MIB])
async def test_a_stream_that_breaks_off_is_no_document(ground: Ground, client: QueryClient, after: int) -> None:
    file = ground.played.put(CONTENT)
    await ground.register(file, ground.played_address)
    ground.played.breaks_off_after = after
    with pytest.raises(StorageUnavailable):
        await fetch(ground, client, file)


async def test_damage_that_is_found_while_reading_is_told(ground: Ground, client: QueryClient) -> None:
    file = ground.played.put(CONTENT)
    await ground.register(file, ground.played_address)
    ground.played.fails_after = (MIB, FileDamaged("the content differs from its digest"))
    with pytest.raises(FileDamaged):
        await fetch(ground, client, file)


async def test_an_element_that_dies_while_it_sends_is_told(ground: Ground, client: QueryClient) -> None:
    mortal = Peer(ground.certificates.element("se-mortal-01"), like_an_element(), ground.played.add_to)
    await mortal.start()
    file = ground.played.put(CONTENT * 8)
    await ground.register(file, an_element("se-mortal-01", mortal.address))
    error: ArtStoreError | None = None
    try:
        async with (
            asyncio.timeout(PATIENCE),
            client.download(file.file_id, on_behalf_of=ground.somebody()) as download,
        ):
            async for _ in download.chunks():
                await mortal.stop()
    except ArtStoreError as told:
        error = told
    assert isinstance(error, StorageUnavailable)


async def test_a_reader_that_leaves_stops_the_element(ground: Ground, client: QueryClient) -> None:
    file = ground.played.put(CONTENT * 16)
    await ground.register(file, ground.played_address)
    async with client.download(file.file_id, on_behalf_of=ground.somebody()) as download:
        async for _ in download.chunks():
            break
    await asyncio.wait_for(ground.played.left.wait(), PATIENCE)
    assert ground.played.sent < file.size


async def test_a_reader_that_does_not_read_stops_the_element(ground: Ground, client: QueryClient) -> None:
    file = ground.played.put(CONTENT * 32)
    await ground.register(file, ground.played_address)
    async with client.download(file.file_id, on_behalf_of=ground.somebody()) as download:
        chunks = download.chunks()
        received = len(await anext(chunks))
        sent = -1
        while sent != ground.played.sent:
            sent = ground.played.sent
            await asyncio.sleep(0.3)  # nothing tells that a sender waits, but that it does not go on
        assert sent < 32 * MIB
        async for chunk in chunks:
            received += len(chunk)
    assert received == ground.played.sent == file.size


async def test_many_readers_that_do_not_read_cost_little_each(ground: Ground, client: QueryClient) -> None:
    readers = 40
    file = ground.played.put(CONTENT * 16)
    await ground.register(file, ground.played_address)
    async with AsyncExitStack() as stack:
        for _ in range(readers):
            opening = client.download(file.file_id, on_behalf_of=ground.somebody())
            await anext((await stack.enter_async_context(opening)).chunks())
        sent = -1
        while sent != ground.played.sent:
            sent = ground.played.sent
            await asyncio.sleep(0.5)  # nothing tells that a sender waits, but that it does not go on
        assert sent < readers * 4 * MIB


async def test_without_admin_downloads_go_on(ground: Ground, client: QueryClient) -> None:
    file = await ground.stored(CONTENT)
    await fetch(ground, client, file)  # the keys are known from now on
    await ground.admin_peer.stop()
    try:
        assert await fetch(ground, client, file) == CONTENT
    finally:
        await ground.admin_peer.start()


async def test_without_the_scope_or_a_token_nothing_is_handed_out(ground: Ground, client: QueryClient) -> None:
    file = await ground.stored(b"secret")
    with pytest.raises(Forbidden):
        async with client.download(file.file_id, on_behalf_of=ground.somebody("files:write")):
            pytest.fail("it was opened")
    with pytest.raises(Unauthorized):
        async with client.download(file.file_id, on_behalf_of=None):
            pytest.fail("it was opened")
