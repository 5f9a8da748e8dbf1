"""A storage element's resumable uploads, as the ingester uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc
from artstore.storage.v1 import uploads_pb2, uploads_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from clients.frames import chunk_size
from clients.streams import COMMITTING, UploadStream, leave
from clients.wire.uploads import upload_from_proto
from services.chassis import telemetry
from services.chassis.caller import Identity
from services.chassis.deadlines import remaining
from services.model.errors import StorageUnavailable
from services.model.files import FileAttributes, NewFile, UploadCommit
from services.model.ids import UploadId
from services.model.uploads import UploadState

UNARY: Final = 10.0
"""Seconds for a call that moves no content."""
APPEND: Final = "/artstore.storage.v1.StorageUploadService/AppendUpload"


class StorageUploadsClient:
    """Calls about uploads to one element. `on_behalf_of` is the user behind them, who began the upload.

    Every method raises `StorageUnavailable` when the element is not reached, `NotFound` for an upload that is unknown
    or has expired, and what else the element refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel, transfers: grpc.aio.Channel) -> None:
        """`transfers`: the channel for bytes."""
        self._uploads = uploads_pb2_grpc.StorageUploadServiceStub(channel)
        # The stub decodes and encodes every chunk; this does not.
        self._append: grpc.aio.StreamUnaryMultiCallable[bytes, uploads_pb2.AppendUploadResponse]
        self._append = transfers.stream_unary(APPEND, response_deserializer=uploads_pb2.AppendUploadResponse.FromString)

    async def create(self, new_file: NewFile, *, on_behalf_of: Identity | None) -> UploadState:
        """Begin an upload; `new_file` has its id. One of that id that is there already is answered as it stands."""
        return await ask(
            self._uploads.CreateUpload,
            uploads_pb2.CreateUploadRequest(header=wire.new_file_to_proto(new_file)),
            lambda response: upload_from_proto(response.upload),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def append(
        self, upload_id: UploadId, offset: int, chunks: AsyncIterator[bytes], *, on_behalf_of: Identity | None
    ) -> UploadState:
        """Add bytes, as encoded chunk frames, behind `offset`; returns when they are durable.

        Raises `Conflict` for another offset (its details tell the right one) or when a newer call takes over,
        `FileTooLarge`, `ChecksumMismatch`, `StorageFull`. However it ends, `get` tells how far the upload is.
        """
        sent = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal sent
            async for frame in chunks:
                sent += chunk_size(frame)
                yield frame

        header = uploads_pb2.AppendUploadHeader(upload_id=upload_id, offset=offset)
        with telemetry.outgoing(APPEND, metadata.on_behalf_of(on_behalf_of)) as traced:
            call = self._append(timeout=remaining(None), metadata=traced)
            try:
                stream = UploadStream(call, peer="the storage element", unavailable=StorageUnavailable)
                await stream.open(uploads_pb2.AppendUploadRequest(header=header).SerializeToString())
                await stream.send(counted())
                end = uploads_pb2.AppendUploadRequest(end=uploads_pb2.AppendUploadEnd(size=sent))
                response = await stream.finish(end.SerializeToString())
            finally:
                await leave(call)
        with understood():
            return upload_from_proto(response.upload)

    async def get(self, upload_id: UploadId, *, on_behalf_of: Identity | None) -> UploadState:
        """The upload as it stands."""
        return await ask(
            self._uploads.GetUpload,
            uploads_pb2.GetUploadRequest(upload_id=upload_id),
            lambda response: upload_from_proto(response.upload),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def complete(
        self, upload_id: UploadId, commit: UploadCommit, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Make the file; durable when this returns. To be asked again where no answer came.

        Raises `ModeNotAllowed`, `ChecksumMismatch`, `Conflict`, `StorageFull`: then the upload stays as it is.
        """
        return await ask(
            self._uploads.CompleteUpload,
            uploads_pb2.CompleteUploadRequest(upload_id=upload_id, commit=wire.commit_to_proto(commit)),
            lambda response: wire.file_from_proto(response.file),
            seconds=COMMITTING,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def abort(self, upload_id: UploadId, *, on_behalf_of: Identity | None) -> None:
        """Give it up; a file that was made of it stays."""
        await ask(
            self._uploads.AbortUpload,
            uploads_pb2.AbortUploadRequest(upload_id=upload_id),
            lambda _: None,
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )
