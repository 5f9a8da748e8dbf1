"""Chunk frames made and read by hand are exactly what protobuf makes and reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from artstore.ingester.v1 import ingester_pb2
from artstore.query.v1 import query_pb2
from artstore.storage.v1 import storage_pb2
from artstore.types.v1 import file_pb2
from hypothesis import given
from hypothesis import strategies as st

from clients.frames import GATHERING, MAX_CHUNK, chunk_size, cut, decode_chunk, encode_chunk, is_chunk, is_last
from services.model.errors import ValidationFailed

UPLOADS = (ingester_pb2.UploadRequest, storage_pb2.UploadRequest)
DOWNLOADS = (query_pb2.DownloadResponse, storage_pb2.DownloadResponse)
LENGTHS = (0, 1, 127, 128, 16_383, 16_384, MAX_CHUNK)


async def stream(pieces: Sequence[bytes | memoryview]) -> AsyncIterator[bytes | memoryview]:
    for piece in pieces:
        yield piece


async def gathered(pieces: Sequence[bytes | memoryview], size: int) -> list[bytes]:
    return [frame async for frame in cut(stream(pieces), lambda: size)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("message", [*UPLOADS, *DOWNLOADS], ids=lambda m: m.DESCRIPTOR.full_name)
def test_a_chunk_is_the_same_bytes_in_every_service(message: type[ingester_pb2.UploadRequest], length: int) -> None:
    frame = encode_chunk(bytes(length))
    assert frame == message(chunk=bytes(length)).SerializeToString()
    assert is_chunk(frame)
    assert chunk_size(frame) == length
    assert decode_chunk(frame) == bytes(length)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_pieces_become_one_chunk(pieces: list[bytes]) -> None:
    assert decode_chunk(encode_chunk(*pieces)) == b"".join(pieces)


def test_header_and_last_frame_are_told_from_chunks() -> None:
    for message in UPLOADS:
        header = message(header=file_pb2.NewFile(original_filename="x")).SerializeToString()
        commit = message(commit=file_pb2.UploadCommit(size=1)).SerializeToString()
        assert (is_chunk(header), is_last(header)) == (False, False)
        assert (is_chunk(commit), is_last(commit)) == (False, True)
    trailer = query_pb2.DownloadResponse(trailer=file_pb2.DownloadTrailer()).SerializeToString()
    assert (is_chunk(trailer), is_last(trailer)) == (False, True)


COMMIT = storage_pb2.UploadRequest(commit=file_pb2.UploadCommit(size=1)).SerializeToString()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x12",
        b"\x12\x80",
        b"\x12\x05abcd",
        b"\x12\x03abcd",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        encode_chunk(b"abc") + COMMIT,
        encode_chunk(b"abc") + encode_chunk(b"def"),
        encode_chunk(bytes(MAX_CHUNK + 1)),
        COMMIT,
    ],
    ids=["empty", "no length", "half a length", "short", "long", "endless length", "commit behind it", "two chunks",
         "too large", "a commit"],
)  # fmt: skip
def test_what_is_not_one_chunk_never_passes_for_one(frame: bytes) -> None:
    with pytest.raises(ValidationFailed):
        chunk_size(frame)


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 30))
async def test_cutting_keeps_every_byte_in_its_place(pieces: list[bytes], size: int) -> None:
    chunks = [bytes(decode_chunk(frame)) for frame in await gathered(pieces, size)]
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size for chunk in chunks)


async def test_views_are_cut_as_well() -> None:
    frames = await gathered([memoryview(b"abcdefgh"), b"ij"], 4)
    assert [bytes(decode_chunk(frame)) for frame in frames] == [b"abcd", b"efgh", b"ij"]


async def test_what_comes_slowly_goes_on_before_a_chunk_is_full() -> None:
    times = iter([0.0, 1.0, GATHERING + 1, GATHERING + 1, GATHERING + 2, GATHERING + 3])
    frames = cut(stream([b"a", b"b", b"c", b"d"]), now=lambda: next(times))
    assert [bytes(decode_chunk(frame)) async for frame in frames] == [b"ab", b"cd"]
