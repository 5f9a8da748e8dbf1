"""Frames of uploads and downloads, and documents, between the wire and the use cases; the rest is in `clients.wire`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from artstore.storage.v1 import storage_pb2
from google.protobuf.message import DecodeError

from clients import wire
from clients.frames import decode_chunk, encode_chunk, is_chunk
from services.model.errors import ValidationFailed
from services.model.feed import DocumentListing
from services.model.files import ByteRange, DownloadTrailer
from services.storage.domain.importing import Imported
from services.storage.usecases import download_file, import_file, store_file, store_small_file


async def upload_frames(messages: AsyncIterator[bytes]) -> AsyncIterator[store_file.Frame]:
    """Header, chunks (not copied) and commit as they come. Raises `ValidationFailed` for what is none of these."""
    async for message in messages:
        yield decode_chunk(message) if is_chunk(message) else _decoded(message)


def offered(request: storage_pb2.StoreFileRequest) -> store_small_file.Offered:
    """A small file, whole. Raises `ValidationFailed`."""
    return store_small_file.Offered(
        wire.new_file_from_proto(request.header), request.chunk, wire.commit_from_proto(request.commit)
    )


def download_frame(frame: download_file.Frame) -> bytes:
    """One message."""
    if isinstance(frame, bytes):
        return encode_chunk(frame)
    if isinstance(frame, DownloadTrailer):
        return storage_pb2.DownloadResponse(trailer=wire.trailer_to_proto(frame)).SerializeToString()
    part = None if frame.range is None else wire.range_to_proto(frame.range)
    header = storage_pb2.DownloadHeader(file=wire.file_to_proto(frame.file), range=part)
    return storage_pb2.DownloadResponse(header=header).SerializeToString()


def documents_to_proto(listing: DocumentListing) -> storage_pb2.ListFilesResponse:
    """Rows as they lie on the disk, where they lie, and where the feed stood."""
    return storage_pb2.ListFilesResponse(
        documents=listing.items,
        page=wire.page_info_to_proto(listing),
        position=wire.position_to_proto(listing.position),
    )


def wanted_range(request: storage_pb2.DownloadRequest) -> ByteRange | None:
    """What is wanted of a file; None: all of it."""
    return wire.range_from_proto(request.range) if request.HasField("range") else None


def expected_revision(number: int) -> int | None:
    """The revision that the caller expects; None: whatever it is. Raises `ValidationFailed`."""
    if number < 0:
        raise ValidationFailed.of("expected_revision", "must not be negative")
    return number or None


async def import_frames(messages: AsyncIterator[bytes]) -> AsyncIterator[import_file.Frame]:
    """The same for an import."""
    async for message in messages:
        yield decode_chunk(message) if is_chunk(message) else _decoded_import(message)


def _decoded_import(message: bytes) -> import_file.Frame:
    try:
        request = storage_pb2.ImportFileRequest.FromString(message)
    except DecodeError:
        raise ValidationFailed("a frame of the import is malformed") from None
    match request.WhichOneof("frame"):
        case "header":
            return Imported(
                wire.file_from_proto(request.header.file),
                wire.json_from_text(request.header.unknown_json, "unknown_json"),
            )
        case "commit":
            return wire.commit_from_proto(request.commit)
        case _:
            raise ValidationFailed("a frame of the import is empty")


def _decoded(message: bytes) -> store_file.Frame:
    try:
        request = storage_pb2.UploadRequest.FromString(message)
    except DecodeError:
        raise ValidationFailed("a frame of the upload is malformed") from None
    match request.WhichOneof("frame"):
        case "header":
            return wire.new_file_from_proto(request.header)
        case "commit":
            return wire.commit_from_proto(request.commit)
        case _:
            raise ValidationFailed("a frame of the upload is neither header nor chunk nor commit")
