"""A storage element, as ingester, query and admin see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

import grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from clients.frames import joined
from clients.storage_control import StorageControlClient
from clients.storage_feed import StorageFeedClient
from clients.storage_keeping import StorageKeepingClient
from clients.storage_small import SmallFiles
from clients.storage_uploads import StorageUploadsClient
from clients.streams import DownloadStream, UploadStream, leave
from services.chassis import telemetry
from services.chassis.caller import Identity
from services.chassis.channel import element_server_name, open_channel
from services.chassis.deadlines import remaining
from services.chassis.tls import TlsFiles
from services.model.elements import ElementAddress, ElementInfo
from services.model.errors import StorageUnavailable
from services.model.feed import FileListing
from services.model.files import ByteRange, FileAttributes, FileChange, FileStatus, JsonObject, NewFile, UploadCommit
from services.model.ids import FileId, StorageId
from services.model.paging import PageRequest

LISTING: Final = 60.0
"""Seconds for a page of documents: for each of a thousand, a disk that turns has to seek twice."""
UNARY: Final = 10.0
"""Seconds for a call that moves no content."""
PEER: Final = "the storage element"

IMPORT: Final = "/artstore.storage.v1.StorageWriteService/ImportFile"
UPLOAD: Final = "/artstore.storage.v1.StorageWriteService/Upload"
DOWNLOAD: Final = "/artstore.storage.v1.StorageReadService/Download"


Kept = storage_pb2.UploadResponse | storage_pb2.ImportFileResponse


class ElementUpload:
    """One upload, or import, whose header the element has accepted."""

    def __init__(self, stream: UploadStream[Kept]) -> None:
        self._stream = stream

    async def send(self, chunks: AsyncIterator[bytes]) -> None:
        """Pass on encoded chunk frames (`frames.encode_chunk`) as they are.

        Raises what `chunks` raises; StorageFull, FileTooLarge, ModeNotAllowed and the like as soon as the element
        says so; `StorageUnavailable` when it is gone or takes nothing.
        """
        await self._stream.send(chunks)

    async def commit(self, commit: UploadCommit) -> FileAttributes:
        """Ask for the file to be kept; returns when it is durable.

        Raises `ChecksumMismatch`, `Conflict` and whatever else the element refuses with. Where it raises
        `StorageUnavailable` the file may have been kept nevertheless: ask again with the same id.
        """
        frame = storage_pb2.UploadRequest(commit=wire.commit_to_proto(commit)).SerializeToString()
        response = await self._stream.finish(frame)
        with understood():
            return wire.file_from_proto(response.file)


class ElementDownload:
    """One download that the element has begun."""

    def __init__(self, file: FileAttributes, sent: ByteRange | None, stream: DownloadStream) -> None:
        self.file = file
        """As the element has it now."""
        self.range = sent
        """The bytes that follow; None when all do."""
        self._stream = stream

    def frames(self) -> AsyncIterator[bytes]:
        """Encoded chunk frames and, last, the encoded trailer frame; no end without it. To be asked for once."""
        return self._stream.frames()


class StorageClient:
    """Calls to one element. `on_behalf_of` is the user behind them.

    Every method raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel, transfers: grpc.aio.Channel | None = None) -> None:
        """`transfers`: another channel there for streams of bytes, so that no other call waits for one to end."""
        transfers = transfers or channel
        self._reads = storage_pb2_grpc.StorageReadServiceStub(channel)
        self._writes = storage_pb2_grpc.StorageWriteServiceStub(channel)
        self.control = StorageControlClient(channel)
        """Calls that run the element."""
        self.feed = StorageFeedClient(channel)
        """Calls that follow what changes."""
        self.keeping = StorageKeepingClient(channel)
        """Calls about the state of its files."""
        self.uploads = StorageUploadsClient(channel, transfers)
        """Calls about resumable uploads."""
        # The stubs of these decode and encode every chunk; these do not.
        self._small = SmallFiles(channel)
        self._upload: grpc.aio.StreamUnaryMultiCallable[bytes, Kept] = transfers.stream_unary(
            UPLOAD,
            response_deserializer=storage_pb2.UploadResponse.FromString,
        )
        self._import: grpc.aio.StreamUnaryMultiCallable[bytes, Kept] = transfers.stream_unary(
            IMPORT,
            response_deserializer=storage_pb2.ImportFileResponse.FromString,
        )
        self._download: grpc.aio.UnaryStreamMultiCallable[storage_pb2.DownloadRequest, bytes] = transfers.unary_stream(
            DOWNLOAD,
            request_serializer=storage_pb2.DownloadRequest.SerializeToString,
        )

    async def info(self, *, on_behalf_of: Identity | None, seconds: float = UNARY) -> ElementInfo:
        """What the element is, and how full. `seconds`: how long it may take at most."""
        return await ask(
            self._reads.GetInfo,
            storage_pb2.GetInfoRequest(),
            lambda response: wire.info_from_proto(response.info),
            seconds=seconds,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )

    async def file(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes:
        """One file's attributes, read from the disk. Raises `NotFound`."""
        return await ask(
            self._reads.GetFile,
            storage_pb2.GetFileRequest(file_id=file_id),
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def files(
        self, status: FileStatus | None, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> FileListing:
        """A page of files of that status (None: all), oldest first; the first one says where the change feed stood."""
        return await ask(
            self._reads.ListFiles,
            storage_pb2.ListFilesRequest(status=wire.status_to_proto(status), page=wire.page_request_to_proto(page)),
            wire.listing_from_proto,
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def all_files(self, page: PageRequest, *, on_behalf_of: Identity | None) -> FileListing:
        """As `files` of any status, but the element sends them as they lie on its disk, if it can: a tenth of the work.

        There may be fewer than were asked for.
        """
        return await ask(
            self._reads.ListFiles,
            storage_pb2.ListFilesRequest(page=wire.page_request_to_proto(page), document_version=wire.DOCUMENT_VERSION),
            wire.listing_from_proto,
            seconds=LISTING,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def store(
        self, new_file: NewFile, chunks: Sequence[bytes], commit: UploadCommit, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Store a small file, at most `frames.MAX_CHUNK` bytes, in one call; it is durable when this returns.

        Files that go to the element at the same time for the same user may share the call, nothing else.

        `chunks`: its encoded chunk frames. Raises as `upload` and `ElementUpload.commit`; `StorageUnavailable` with
        `outcome_unknown` where no answer came: the file may have been kept, ask again with the same id. The same holds
        after a cancellation.
        """
        header = storage_pb2.StoreFileRequest(header=wire.new_file_to_proto(new_file))
        last = storage_pb2.StoreFileRequest(commit=wire.commit_to_proto(commit))
        # Encoded fields, one after the other, are the message; the content is not copied into one and out of it again.
        request = b"".join((header.SerializeToString(), joined(chunks), last.SerializeToString()))
        return await self._small.store(request, on_behalf_of)

    @asynccontextmanager
    async def upload(self, new_file: NewFile, *, on_behalf_of: Identity | None) -> AsyncIterator[ElementUpload]:
        """Open an upload; entered once the element has accepted the header and waits for chunks.

        `new_file` has its id. Nothing is kept unless `commit` is called and returns: leaving in any other way
        cancels.
        """
        header = storage_pb2.UploadRequest(header=wire.new_file_to_proto(new_file))
        async with self._sending(UPLOAD, self._upload, header.SerializeToString(), on_behalf_of) as upload:
            yield upload

    @asynccontextmanager
    async def take_over(
        self, file: FileAttributes, unknown: JsonObject | None = None, *, on_behalf_of: Identity | None
    ) -> AsyncIterator[ElementUpload]:
        """Open the import of a file that another element has, as `upload` does; it will be here what it is there.

        `unknown`: members of its attribute file that `file` does not tell. Raises also `FileExpired` and `FileDeleted`,
        where its time is over or the element has destroyed it once.
        """
        header = storage_pb2.ImportHeader(file=wire.file_to_proto(file), unknown_json=wire.json_to_text(unknown or {}))
        frame = storage_pb2.ImportFileRequest(header=header).SerializeToString()
        async with self._sending(IMPORT, self._import, frame, on_behalf_of) as upload:
            yield upload

    @asynccontextmanager
    async def _sending(
        self, method: str, start: grpc.aio.StreamUnaryMultiCallable[bytes, Kept], header: bytes, by: Identity | None
    ) -> AsyncIterator[ElementUpload]:
        with telemetry.outgoing(method, metadata.on_behalf_of(by)) as sent:
            call = start(timeout=remaining(None), metadata=sent)
            try:
                stream = UploadStream(call, peer=PEER, unavailable=StorageUnavailable)
                await stream.open(header)
                yield ElementUpload(stream)
            finally:
                await leave(call)

    @asynccontextmanager
    async def download(
        self, file_id: FileId, wanted: ByteRange | None, *, on_behalf_of: Identity | None
    ) -> AsyncIterator[ElementDownload]:
        """Open a download of `wanted` (None: the whole file); entered once the element has said what follows.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileMissing`, `FileDamaged`, `ModeNotAllowed`,
        `RangeNotSatisfiable`. Leaving cancels what is still under way.
        """
        request = storage_pb2.DownloadRequest(
            file_id=file_id, range=None if wanted is None else wire.range_to_proto(wanted)
        )
        with telemetry.outgoing(DOWNLOAD, metadata.on_behalf_of(on_behalf_of)) as sent_metadata:
            frame, stream = await DownloadStream.begin(
                lambda: self._download(request, timeout=remaining(None), metadata=sent_metadata),
                peer=PEER,
                unavailable=StorageUnavailable,
            )
            try:
                header = storage_pb2.DownloadResponse.FromString(frame).header
                with understood():
                    file = wire.file_from_proto(header.file)
                    sent = wire.range_from_proto(header.range) if header.HasField("range") else None
                yield ElementDownload(file, sent, stream)
            finally:
                stream.cancel()

    async def update(
        self, file_id: FileId, change: FileChange, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Change what users may change. `expected_revision` 0: whatever it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `MetadataTooLarge`.
        """
        request = storage_pb2.UpdateFileRequest(
            file_id=file_id, change=wire.change_to_proto(change), expected_revision=expected_revision
        )
        return await ask(
            self._writes.UpdateFile,
            request,
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )

    async def delete(
        self, file_id: FileId, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Mark the file deleted; repeatable. `expected_revision` 0: whatever it has.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`.
        """
        return await ask(
            self._writes.DeleteFile,
            storage_pb2.DeleteFileRequest(file_id=file_id, expected_revision=expected_revision),
            lambda response: wire.file_from_proto(response.file),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )


class StoragePool:
    """Two channels to each element that was asked for, one for streams of bytes; they stay open until the pool is left.

    A channel connects with its first call: who moves no bytes has one connection.
    """

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        self._open: dict[tuple[StorageId, str], tuple[Sequence[grpc.aio.Channel], StorageClient]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channels, _ in self._open.values():
            for channel in channels:
                await channel.close()
        self._open.clear()

    def client(self, address: ElementAddress) -> StorageClient:
        """The element there. Whatever answers must show the certificate of that very element."""
        return self.client_at(address.endpoint, address.storage_id)

    def client_at(self, endpoint: str, storage_id: StorageId) -> StorageClient:
        """The same for an element that is not registered."""
        key = (storage_id, endpoint)
        if key not in self._open:
            name = element_server_name(storage_id)
            channels = [open_channel(endpoint, server_name=name, tls=self._tls) for _ in range(2)]
            self._open[key] = (channels, StorageClient(*channels))
        return self._open[key][1]
