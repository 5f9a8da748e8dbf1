"""A storage element as its callers meet it on the wire, which does what a test tells it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from clients import wire
from clients.streams import ACCEPTED
from services.chassis.caller import Caller, caller
from services.chassis.faults import status_of
from services.model.errors import ArtStoreError, ChecksumMismatch, NotFound, ValidationFailed
from services.model.files import DownloadTrailer, FileAttributes, NewFile
from services.model.ids import FileId
from tests.doubles.documents import a_file

CHUNK = 256 << 10


class FakeElementServer(storage_pb2_grpc.StorageReadServiceServicer, storage_pb2_grpc.StorageWriteServiceServicer):
    """Keeps files in memory. Methods that no test calls are left unimplemented."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.files: dict[FileId, tuple[FileAttributes, bytes]] = {}
        self.callers: list[Caller] = []
        self.refuses_header: ArtStoreError | None = None
        self.refuses_after = 0
        """Bytes after which `refuses_content` is raised."""
        self.refuses_content: ArtStoreError | None = None
        self.accepts = asyncio.Event()
        self.accepts.set()
        self.reads = asyncio.Event()
        """While it is not set, chunks are not taken."""
        self.reads.set()
        self.answers_early = False
        self.received = 0
        self.left = asyncio.Event()
        """Set when a caller left before its answer."""
        self.sent = 0
        """Bytes of downloads that were handed to gRPC."""
        self.breaks_off_after: int | None = None
        """Bytes after which a download ends without its trailer."""
        self.breaks_off_stores = 0
        """Small files that are kept, and whose callers get no answer."""
        self.stores = asyncio.Event()
        """While it is not set, no call with small files is answered."""
        self.stores.set()
        self._waiting = 0
        self.called = asyncio.Event()
        """Set when two calls with small files wait for `stores`."""
        self.together: list[list[str]] = []
        """Of each call that brought several small files, the ids of their requests."""
        self.fails_after: tuple[int, ArtStoreError] | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        storage_pb2_grpc.add_StorageReadServiceServicer_to_server(self, server)
        storage_pb2_grpc.add_StorageWriteServiceServicer_to_server(self, server)

    def put(self, content: bytes, **attributes: Any) -> FileAttributes:
        """A file that it has had all along."""
        digest = hashlib.sha256(content).hexdigest()
        file = a_file(size=len(content), sha256=digest, **attributes)
        self.files[file.file_id] = (file, content)
        return file

    async def Upload(self, request_iterator: Any, context: Any) -> storage_pb2.UploadResponse:  # noqa: N802 - grpc's
        self.callers.append(caller())
        try:
            return await self._take(request_iterator, context)
        except (asyncio.CancelledError, ValidationFailed):  # a cancellation may look like the end of the stream
            self.left.set()
            raise

    async def StoreFile(  # noqa: N802 - grpc's
        self, request: storage_pb2.StoreFileRequest, context: Any
    ) -> storage_pb2.StoreFileResponse:
        self.callers.append(caller())
        refusal = self.refuses_header or self.refuses_content
        if refusal:
            raise refusal
        self.received = len(request.chunk)
        kept = self._keep(wire.new_file_from_proto(request.header), request.chunk, request.commit.size)
        if self.breaks_off_stores:
            self.breaks_off_stores -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        self._waiting += 1
        if self._waiting == 2:
            self.called.set()
        await self.stores.wait()
        return storage_pb2.StoreFileResponse(file=kept.file)

    async def StoreFiles(  # noqa: N802 - grpc's
        self, request: storage_pb2.StoreFilesRequest, context: Any
    ) -> storage_pb2.StoreFilesResponse:
        self.callers.append(caller())
        self.together.append([each.request_id for each in request.items])
        if self.refuses_header:
            raise self.refuses_header
        results = [self._result(each.file) for each in request.items]
        if self.breaks_off_stores:
            self.breaks_off_stores -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        self._waiting += 1
        if self._waiting == 2:
            self.called.set()
        await self.stores.wait()
        return storage_pb2.StoreFilesResponse(results=results)

    def _result(self, file: storage_pb2.StoreFileRequest) -> storage_pb2.StoreFilesResult:
        try:
            kept = self._keep(wire.new_file_from_proto(file.header), file.chunk, file.commit.size)
        except ArtStoreError as error:
            return storage_pb2.StoreFilesResult(error=status_of(error))
        return storage_pb2.StoreFilesResult(file=kept.file)

    async def _take(self, frames: AsyncIterator[storage_pb2.UploadRequest], context: Any) -> storage_pb2.UploadResponse:
        new_file = wire.new_file_from_proto((await anext(frames)).header)
        if self.refuses_header:
            raise self.refuses_header
        await self.accepts.wait()
        await context.send_initial_metadata(((ACCEPTED, "1"),))
        if self.answers_early:
            return storage_pb2.UploadResponse(file=wire.file_to_proto(a_file()))
        content = bytearray()
        async for frame in frames:
            if frame.HasField("commit"):
                return self._keep(new_file, bytes(content), frame.commit.size)
            content += frame.chunk
            self.received = len(content)
            await self.reads.wait()
            if self.refuses_content and len(content) >= self.refuses_after:
                raise self.refuses_content
        raise ValidationFailed("the upload ended without its commit; nothing was kept")

    def _keep(self, new_file: NewFile, content: bytes, size: int) -> storage_pb2.UploadResponse:
        if size != len(content):
            raise ChecksumMismatch("another length was declared")
        file = a_file(
            new_file.file_id,
            original_filename=new_file.original_filename,
            retention_policy=new_file.retention_policy,
            ttl=new_file.ttl,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            uploaded_by=caller().subject,
        )
        self.files[file.file_id] = (file, content)
        return storage_pb2.UploadResponse(file=wire.file_to_proto(file))

    async def Download(  # noqa: N802 - grpc's
        self, request: storage_pb2.DownloadRequest, context: Any
    ) -> AsyncIterator[storage_pb2.DownloadResponse]:
        self.callers.append(caller())
        if FileId(request.file_id) not in self.files:
            raise NotFound("no such file")
        file, content = self.files[FileId(request.file_id)]
        first, last = (request.range.first, request.range.last) if request.HasField("range") else (0, len(content) - 1)
        header = storage_pb2.DownloadHeader(file=wire.file_to_proto(file))
        if request.HasField("range"):
            header.range.CopyFrom(request.range)
        try:
            yield storage_pb2.DownloadResponse(header=header)
            for start in range(first, last + 1, CHUNK):
                if self.breaks_off_after is not None and self.sent >= self.breaks_off_after:
                    return
                if self.fails_after is not None and self.sent >= self.fails_after[0]:
                    raise self.fails_after[1]
                chunk = content[start : min(start + CHUNK, last + 1)]
                self.sent += len(chunk)
                yield storage_pb2.DownloadResponse(chunk=chunk)
            trailer = DownloadTrailer(last + 1 - first, None if request.HasField("range") else file.sha256)
            yield storage_pb2.DownloadResponse(trailer=wire.trailer_to_proto(trailer))
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise
