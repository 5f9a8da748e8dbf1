"""The ingester, as the gateway sees it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

import grpc
from artstore.ingester.v1 import ingester_pb2, ingester_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from clients.frames import chunk_size, cut
from clients.streams import UploadStream, leave
from services.chassis import telemetry
from services.chassis.caller import Identity
from services.chassis.deadlines import remaining
from services.chassis.steps import UPLOADS, Steps
from services.model.errors import ServiceUnavailable
from services.model.files import FileAttributes, FileChange, NewFile, UploadCommit
from services.model.ids import FileId

UPLOAD: Final = "/artstore.ingester.v1.IngestService/Upload"
UNARY: Final = 30.0
"""Seconds for a call that goes on to Admin and an element."""


class IngesterClient:
    """Calls to the ingester. `on_behalf_of` is the user behind them, whose token is passed on.

    Every method raises `ServiceUnavailable` when the ingester is not reached, and what it refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel, transfers: grpc.aio.Channel | None = None) -> None:
        """`transfers`: another channel there for uploads, so that no other call waits for one of them to end."""
        self._stub = ingester_pb2_grpc.IngestServiceStub(channel)
        self._steps = Steps(UPLOADS)
        # The stub encodes every chunk once more than needed; this does not.
        self._upload: grpc.aio.StreamUnaryMultiCallable[bytes, ingester_pb2.UploadResponse]
        self._upload = (transfers or channel).stream_unary(
            UPLOAD, response_deserializer=ingester_pb2.UploadResponse.FromString
        )

    async def upload(
        self,
        new_file: NewFile,
        content: AsyncIterable[bytes | memoryview],
        *,
        sha256: str | None = None,
        on_behalf_of: Identity | None,
    ) -> FileAttributes:
        """Store one document and return its attributes once they are durable and registered.

        `content`: pieces of any length, taken only as fast as they can be passed on. `sha256`: what the whole must
        have, where known. Whatever `content` raises is raised here, and nothing is kept. A refusal (FileTooLarge,
        StorageFull, NoElementAvailable, Unauthorized, …) is raised as soon as it is made, with `content` half read.
        """
        with self._steps.shared(), telemetry.outgoing(UPLOAD, metadata.bearer(on_behalf_of)) as sent:
            call = self._upload(timeout=remaining(None), metadata=sent)
            try:
                stream = UploadStream(call, peer="the ingester", unavailable=ServiceUnavailable)
                header = ingester_pb2.UploadRequest(header=wire.new_file_to_proto(new_file))
                document = _Document(header.SerializeToString(), content, self._steps)
                await stream.send(document.frames())
                commit = ingester_pb2.UploadRequest(commit=wire.commit_to_proto(UploadCommit(document.size, sha256)))
                response = await stream.finish(commit.SerializeToString())
            finally:
                await leave(call)
        with understood():
            return wire.file_from_proto(response.file)

    async def update_file(
        self, file_id: FileId, change: FileChange, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Change description, tags or metadata. `expected_revision` 0: whatever it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `MetadataTooLarge`, `StorageUnavailable`.
        """
        request = ingester_pb2.UpdateFileRequest(
            file_id=file_id, change=wire.change_to_proto(change), expected_revision=expected_revision
        )
        return await ask(
            self._stub.UpdateFile,
            request,
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def delete_file(
        self, file_id: FileId, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Mark a document deleted; repeatable. `expected_revision` 0: whatever it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `StorageUnavailable`.
        """
        return await ask(
            self._stub.DeleteFile,
            ingester_pb2.DeleteFileRequest(file_id=file_id, expected_revision=expected_revision),
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )


class _Document:
    """The frames of one document but for the last, and how many bytes went into them."""

    def __init__(self, header: bytes, content: AsyncIterable[bytes | memoryview], steps: Steps) -> None:
        self._header = header
        self._content = content
        self._steps = steps
        self.size = 0

    async def frames(self) -> AsyncIterator[bytes]:
        yield self._header
        async for frame in cut(self._content, self._steps.size):
            self.size += chunk_size(frame)
            yield frame
