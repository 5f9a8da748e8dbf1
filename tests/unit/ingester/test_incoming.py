"""The frames of an upload: which are passed on, which are understood, which are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from artstore.ingester.v1.ingester_pb2 import UploadRequest
from artstore.types.v1 import file_pb2

from clients.frames import encode_chunk
from services.ingester.rpc.incoming import IncomingFrames
from services.model.errors import ValidationFailed
from services.model.files import UploadCommit

HEADER = UploadRequest(
    header=file_pb2.NewFile(original_filename="a", retention_policy=file_pb2.RETENTION_POLICY_PERMANENT)
).SerializeToString()
COMMIT = UploadRequest(commit=file_pb2.UploadCommit(size=6)).SerializeToString()
CHUNK = encode_chunk(b"abcdef")


async def stream(*frames: bytes) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


async def test_chunks_are_passed_on_as_they_came() -> None:
    document = await IncomingFrames.begin(stream(HEADER, CHUNK, CHUNK, COMMIT))
    assert document.header.original_filename == "a"
    assert [chunk async for chunk in document.chunks()] == [CHUNK, CHUNK]
    assert document.commit == UploadCommit(6)


@pytest.mark.parametrize(
    "frames", [(), (CHUNK,), (COMMIT,), (b"",), (b"\xff",)], ids=["none", "chunk", "commit", "empty", "garbage"]
)
async def test_an_upload_begins_with_its_header(frames: tuple[bytes, ...]) -> None:
    with pytest.raises(ValidationFailed):
        await IncomingFrames.begin(stream(*frames))


WRONG_DIGEST = UploadRequest(commit=file_pb2.UploadCommit(size=6, sha256="XYZ")).SerializeToString()
NEGATIVE = UploadRequest(commit=file_pb2.UploadCommit(size=-6)).SerializeToString()


@pytest.mark.parametrize(
    "frames",
    [(), (CHUNK,), (HEADER,), (CHUNK, b""), (b"\xff\xff",), (CHUNK + COMMIT,), (WRONG_DIGEST,), (NEGATIVE,)],
    ids=["nothing", "only chunks", "a second header", "an empty frame", "garbage", "two fields in one frame",
         "a digest that is none", "a negative length"],
)  # fmt: skip
async def test_an_upload_ends_with_its_commit_or_not_at_all(frames: tuple[bytes, ...]) -> None:
    document = await IncomingFrames.begin(stream(HEADER, *frames))
    with pytest.raises(ValidationFailed):
        _ = [chunk async for chunk in document.chunks()]
