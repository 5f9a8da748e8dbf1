"""The frames of an upload as they arrive: header and commit are decoded, chunks are only measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from artstore.ingester.v1.ingester_pb2 import UploadRequest
from google.protobuf.message import DecodeError

from clients import wire
from clients.frames import chunk_size, is_chunk
from services.chassis.deadlines import idle
from services.model.errors import ValidationFailed
from services.model.files import NewFile, UploadCommit


class IncomingFrames:
    """Fills `services.ingester.ports.Incoming`."""

    def __init__(self, header: NewFile, frames: AsyncIterator[bytes]) -> None:
        self.header = header
        self._frames = frames
        self._commit: UploadCommit | None = None

    @classmethod
    async def begin(cls, frames: AsyncIterator[bytes]) -> Self:
        """Read the header. Raises `ValidationFailed` when the first frame is none, `DeadlineExceeded` without one."""
        frames = idle(frames)
        async for frame in frames:
            request = _decoded(frame)
            if not request.HasField("header"):
                break
            return cls(wire.new_file_from_proto(request.header), frames)
        raise ValidationFailed("an upload must begin with its header")

    @property
    def commit(self) -> UploadCommit:
        assert self._commit is not None, "asked for before the chunks have ended"
        return self._commit

    async def chunks(self) -> AsyncIterator[bytes]:
        async for frame in self._frames:
            if not is_chunk(frame):
                self._commit = _commit_in(frame)
                return
            chunk_size(frame)
            yield frame
        # The end of a stream is never taken for success: a connection that was cut can look like this.
        raise ValidationFailed("the upload ended without its commit frame; nothing was kept")


def _decoded(frame: bytes) -> UploadRequest:
    try:
        return UploadRequest.FromString(frame)
    except DecodeError:
        raise ValidationFailed("a frame of the upload is malformed") from None


def _commit_in(frame: bytes) -> UploadCommit:
    request = _decoded(frame)
    if not request.HasField("commit"):
        raise ValidationFailed("after the header of an upload only chunks and the commit may follow")
    commit = wire.commit_from_proto(request.commit)
    commit.check()
    return commit
