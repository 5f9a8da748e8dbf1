"""Uploads to and downloads from an element, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from grpc.aio import StreamUnaryCall

from clients import streams
from clients.frames import cut, decode_chunk, encode_chunk, is_chunk
from clients.storage import StorageClient, StoragePool
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    FileDamaged,
    FileTooLarge,
    InternalError,
    NotFound,
    StorageFull,
    StorageUnavailable,
)
from services.model.files import ByteRange, FileAttributes, NewFile, RetentionPolicy, UploadCommit
from tests.doubles.documents import SOMEBODY, an_element, new_id
from tests.doubles.element_server import FakeElementServer
from tests.support.certificates import Certificates
from tests.support.peer import Peer, like_an_element

NEW = NewFile("a.pdf", RetentionPolicy.PERMANENT, file_id=new_id())
CONTENT = bytes(range(256)) * 8192
PATIENCE = 10.0
MIB = 1 << 20


class Ground:
    """An element that a test plays, and a client of it."""

    def __init__(self, element: FakeElementServer, peer: Peer, client: StorageClient) -> None:
        self.element, self.peer, self.client = element, peer, client


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with served(tmp_path, "se-rw-01", "se-rw-01") as made:
        yield made


@asynccontextmanager
async def served(folder: Path, storage_id: str, expected: str, *, streams: int = 256) -> AsyncIterator[Ground]:
    """A server with the certificate of `storage_id`, reached by a client that expects `expected`.

    `streams`: calls that one connection may have under way.
    """
    certificates = Certificates(folder / "tls")
    element = FakeElementServer()  # type: ignore[abstract]  # grpc has a default for each method
    peer = Peer(certificates.element(storage_id), like_an_element(), element.add_to, streams=streams)
    await peer.start()
    async with StoragePool(certificates.module("ingester")) as pool:
        yield Ground(element, peer, pool.client(an_element(expected, peer.address)))
    await peer.stop()


async def pieces(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def for_ever(*first: bytes) -> AsyncIterator[bytes]:
    """These frames, and then silence."""
    async for frame in cut(pieces(b"".join(first))):
        yield frame
    await asyncio.Event().wait()


async def store(client: StorageClient, content: bytes, commit: UploadCommit | None = None) -> FileAttributes:
    async with client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        await upload.send(cut(pieces(content)))
        return await upload.commit(commit or UploadCommit(len(content)))


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "2 MiB"])
async def test_what_is_sent_arrives(ground: Ground, content: bytes) -> None:
    file = await store(ground.client, content)
    assert ground.element.files[file.file_id] == (file, content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()


async def test_an_element_learns_who_stands_behind_the_call_and_gets_no_token(ground: Ground) -> None:
    await store(ground.client, b"x")
    (seen,) = ground.element.callers
    assert seen.module == "ingester"
    assert seen.user == replace(SOMEBODY, token=None)


async def test_a_refused_header_is_raised_before_any_chunk_is_asked_for(ground: Ground) -> None:
    ground.element.refuses_header = StorageFull("no room is left", retry_after=7)
    with pytest.raises(StorageFull, match="no room") as refused:
        async with ground.client.upload(NEW, on_behalf_of=SOMEBODY):
            pytest.fail("it was accepted")
    assert refused.value.retry_after == 7


async def test_a_refusal_is_raised_at_once_though_the_sender_has_nothing_to_send(ground: Ground) -> None:
    ground.element.refuses_content = FileTooLarge("too large")
    async with asyncio.timeout(PATIENCE), ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        with pytest.raises(FileTooLarge):
            await upload.send(for_ever(b"x"))


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield CONTENT


async def test_a_refusal_is_raised_while_the_sender_sends_on_and_on(ground: Ground) -> None:
    ground.element.refuses_content = StorageFull("full")
    ground.element.refuses_after = 8 * MIB
    async with asyncio.timeout(PATIENCE), ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        with pytest.raises(StorageFull):
            await upload.send(cut(endless()))


async def test_what_the_sender_raises_is_raised_and_the_element_is_left(ground: Ground) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for frame in cut(pieces(CONTENT)):
            yield frame
            raise KeyError

    with pytest.raises(KeyError):
        async with ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
            await upload.send(broken())
    await asyncio.wait_for(ground.element.left.wait(), PATIENCE)
    assert ground.element.files == {}


async def test_an_upload_that_is_left_without_its_commit_is_cancelled_not_ended(ground: Ground) -> None:
    async with ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        await upload.send(cut(pieces(CONTENT)))
    await asyncio.wait_for(ground.element.left.wait(), PATIENCE)
    assert ground.element.files == {}


async def test_a_wrong_commit_is_refused(ground: Ground) -> None:
    with pytest.raises(ChecksumMismatch):
        await store(ground.client, b"abc", UploadCommit(4))


async def test_an_element_that_is_not_there_is_unavailable(ground: Ground) -> None:
    await ground.peer.stop()
    with pytest.raises(StorageUnavailable) as told:
        await store(ground.client, b"abc")
    assert told.value.retry_after


async def test_an_element_that_dies_in_the_middle_is_unavailable(ground: Ground) -> None:
    async with asyncio.timeout(PATIENCE), ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        sending = asyncio.create_task(upload.send(for_ever(CONTENT)))
        await asyncio.sleep(0)
        await ground.peer.stop()
        with pytest.raises(StorageUnavailable):
            await sending


async def test_an_element_that_is_back_is_found_again(ground: Ground) -> None:
    await store(ground.client, b"abc")
    await ground.peer.stop()
    with pytest.raises(StorageUnavailable):
        await store(ground.client, b"abc")
    await ground.peer.start()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert (await store(ground.client, b"abc")).size == 3
            except StorageUnavailable:
                await asyncio.sleep(0.05)  # the channel says to nobody when it will try again
            else:
                break


async def test_another_element_at_the_same_address_is_not_believed(tmp_path: Path) -> None:
    async with served(tmp_path, "se-rw-02", "se-rw-01") as ground:
        with pytest.raises(StorageUnavailable):
            await store(ground.client, b"abc")
        assert ground.element.callers == []


async def test_an_element_that_does_not_say_whether_it_accepts_is_unavailable(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ACCEPTING", 0.2)
    ground.element.accepts.clear()
    with pytest.raises(StorageUnavailable, match="in time"):
        await store(ground.client, b"abc")


async def test_an_element_that_takes_no_data_is_unavailable(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IDLE", 0.2)
    ground.element.reads.clear()
    with pytest.raises(StorageUnavailable, match="took no data"):
        async with ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
            await upload.send(cut(endless()))


async def test_an_answer_before_the_commit_is_no_success(ground: Ground) -> None:
    ground.element.answers_early = True
    async with asyncio.timeout(PATIENCE), ground.client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        with pytest.raises(InternalError):
            await upload.send(for_ever(b"x"))


async def fetch(client: StorageClient, file: FileAttributes, wanted: ByteRange | None = None) -> bytes:
    content = bytearray()
    async with client.download(file.file_id, wanted, on_behalf_of=SOMEBODY) as download:
        assert (download.file, download.range) == (file, wanted)
        async for frame in download.frames():
            if is_chunk(frame):
                content += decode_chunk(frame)
    return bytes(content)


async def test_what_lies_there_comes_back(ground: Ground) -> None:
    file = ground.element.put(CONTENT)
    assert await fetch(ground.client, file) == CONTENT
    assert await fetch(ground.client, file, ByteRange(5, MIB)) == CONTENT[5 : MIB + 1]


async def test_an_empty_file_comes_back(ground: Ground) -> None:
    assert await fetch(ground.client, ground.element.put(b"")) == b""


async def test_an_unknown_file_is_refused_on_opening(ground: Ground) -> None:
    with pytest.raises(NotFound):
        async with ground.client.download(new_id(), None, on_behalf_of=SOMEBODY):
            pytest.fail("it was opened")


@pytest.mark.parametrize("after", [0, MIB])
async def test_a_download_without_its_trailer_is_cut(ground: Ground, after: int) -> None:
    file = ground.element.put(CONTENT)
    ground.element.breaks_off_after = after
    with pytest.raises(StorageUnavailable):
        await fetch(ground.client, file)


async def test_damage_that_is_found_while_reading_is_told(ground: Ground) -> None:
    file = ground.element.put(CONTENT)
    ground.element.fails_after = (MIB, FileDamaged("differs from its digest"))
    with pytest.raises(FileDamaged):
        await fetch(ground.client, file)


async def test_an_element_that_dies_while_it_sends_is_unavailable(ground: Ground) -> None:
    file = ground.element.put(CONTENT * 16)
    error: ArtStoreError | None = None
    try:
        async with (
            asyncio.timeout(PATIENCE),
            ground.client.download(file.file_id, None, on_behalf_of=SOMEBODY) as download,
        ):
            async for _ in download.frames():
                await ground.peer.stop()
    except ArtStoreError as told:
        error = told
    assert isinstance(error, StorageUnavailable)


async def test_a_reader_that_leaves_stops_the_element(ground: Ground) -> None:
    file = ground.element.put(CONTENT * 16)
    async with ground.client.download(file.file_id, None, on_behalf_of=SOMEBODY) as download:
        async for _ in download.frames():
            break
    await asyncio.wait_for(ground.element.left.wait(), PATIENCE)
    assert ground.element.sent < file.size


async def test_a_reader_that_does_not_read_stops_the_element(ground: Ground) -> None:
    file = ground.element.put(CONTENT * 32)
    async with ground.client.download(file.file_id, None, on_behalf_of=SOMEBODY) as download:
        frames = download.frames()
        await anext(frames)
        sent = -1
        while sent != ground.element.sent:
            sent = ground.element.sent
            await asyncio.sleep(0.2)  # nothing tells that a sender waits, but that it does not go on
        assert sent < 16 * MIB
        content = b"".join([bytes(decode_chunk(f)) async for f in frames if is_chunk(f)])
    assert content == file_content(ground, file)[len(file_content(ground, file)) - len(content) :]
    assert ground.element.sent == file.size


def file_content(ground: Ground, file: FileAttributes) -> bytes:
    return ground.element.files[file.file_id][1]


async def test_streams_of_bytes_that_stand_still_keep_no_other_call_waiting(tmp_path: Path) -> None:
    """They go over a connection of their own: this server takes two calls of one connection at a time."""
    async with served(tmp_path, "se-rw-01", "se-rw-01", streams=2) as ground, AsyncExitStack() as standing:
        file = ground.element.put(CONTENT)
        for opening in (
            ground.client.download(file.file_id, None, on_behalf_of=SOMEBODY),
            ground.client.upload(NEW, on_behalf_of=SOMEBODY),
        ):
            await standing.enter_async_context(opening)
        async with asyncio.timeout(PATIENCE / 2):
            await ground.client.store(NEW, [encode_chunk(b"x")], UploadCommit(1), on_behalf_of=SOMEBODY)


async def test_an_upload_that_was_broken_off_holds_no_stream_of_the_connection(ground: Ground) -> None:
    """GRPC counts a call for as long as there is an object of it; those of cancelled uploads keep themselves."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            sending = asyncio.create_task(store_for_ever(ground.client))
            while not ground.element.received:  # noqa: ASYNC110 - the element's count tells nobody
                await asyncio.sleep(0.01)
            ground.element.received = 0
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            del sending
        await asyncio.sleep(0.1)  # the last of it goes with the next turns of the loop
        assert [each for each in gc.get_objects() if isinstance(each, StreamUnaryCall)] == []
    finally:
        gc.enable()


async def store_for_ever(client: StorageClient) -> None:
    async with client.upload(NEW, on_behalf_of=SOMEBODY) as upload:
        await upload.send(for_ever(CONTENT))
