"""Query, as the gateway sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from artstore.query.v1 import query_pb2, query_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from clients.frames import decode_chunk, is_chunk
from clients.streams import DownloadStream
from services.chassis import telemetry
from services.chassis.caller import Identity
from services.chassis.deadlines import remaining
from services.model.errors import ServiceUnavailable
from services.model.files import ByteRange, FileAttributes
from services.model.ids import FileId
from services.model.paging import Page
from services.model.search import SearchHit, SearchRequest

DOWNLOAD: Final = "/artstore.query.v1.QueryService/Download"
UNARY: Final = 10.0
"""Seconds for a search or a look-up."""
PEER: Final = "the query service"


class Download:
    """A document's content, about to flow."""

    def __init__(self, file: FileAttributes, sent: ByteRange | None, stream: DownloadStream) -> None:
        self.file = file
        """As the element has it now."""
        self.range = sent
        """The bytes that follow; None when all do."""
        self._stream = stream

    @property
    def length(self) -> int:
        """Bytes that follow."""
        return self.file.size if self.range is None else len(self.range)

    async def chunks(self) -> AsyncIterator[memoryview]:
        """The bytes, exactly `length` of them, taken from the network only as fast as they are asked for here.

        Raises `ServiceUnavailable` or what the element met when the content ends early; where it does not raise,
        all of it came.
        """
        received = 0
        async for frame in self._stream.frames():
            if is_chunk(frame):
                with understood():
                    chunk = decode_chunk(frame)
                received += len(chunk)
                yield chunk
            else:
                self._check(query_pb2.DownloadResponse.FromString(frame), received)

    def _check(self, frame: query_pb2.DownloadResponse, received: int) -> None:
        if not frame.HasField("trailer") or not received == frame.trailer.size == self.length:
            raise ServiceUnavailable("the content was cut on its way; try again", retry_after=2)


class QueryClient:
    """Calls to Query. `on_behalf_of` is the user behind them, whose token is passed on.

    Every method raises `ServiceUnavailable` when Query is not reached, and what it refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel, transfers: grpc.aio.Channel | None = None) -> None:
        """`transfers`: another channel there for downloads, so that no other call waits for one of them to end."""
        self._stub = query_pb2_grpc.QueryServiceStub(channel)
        # The stub copies every chunk into a message; this does not.
        self._download: grpc.aio.UnaryStreamMultiCallable[query_pb2.DownloadRequest, bytes]
        self._download = (transfers or channel).unary_stream(
            DOWNLOAD, request_serializer=query_pb2.DownloadRequest.SerializeToString
        )

    async def search(self, request: SearchRequest, *, on_behalf_of: Identity | None) -> Page[SearchHit]:
        """Documents that match. Raises `ValidationFailed`, also for a cursor of another search."""
        return await ask(
            self._stub.Search,
            wire.search_to_proto(request),
            lambda response: wire.page_from_proto(list(map(wire.hit_from_proto, response.hits)), response.page),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def file(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes:
        """One document's attributes. Raises `NotFound`."""
        return await ask(
            self._stub.GetFile,
            query_pb2.GetFileRequest(file_id=file_id),
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    @asynccontextmanager
    async def download(
        self, file_id: FileId, wanted: ByteRange | None = None, *, on_behalf_of: Identity | None
    ) -> AsyncIterator[Download]:
        """Open a download of `wanted` (None: the whole document); entered once it is known what follows.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileMissing`, `FileDamaged`, `ModeNotAllowed`,
        `RangeNotSatisfiable`, `StorageUnavailable`. Leaving cancels what is still under way.
        """
        request = query_pb2.DownloadRequest(
            file_id=file_id, range=None if wanted is None else wire.range_to_proto(wanted)
        )
        with telemetry.outgoing(DOWNLOAD, metadata.bearer(on_behalf_of)) as sent_metadata:
            frame, stream = await DownloadStream.begin(
                lambda: self._download(request, timeout=remaining(None), metadata=sent_metadata),
                peer=PEER,
                unavailable=ServiceUnavailable,
            )
            try:
                header = query_pb2.DownloadResponse.FromString(frame).header
                with understood():
                    file = wire.file_from_proto(header.file)
                    sent = wire.range_from_proto(header.range) if header.HasField("range") else None
                yield Download(file, sent, stream)
            finally:
                stream.cancel()
