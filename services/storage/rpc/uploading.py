"""`artstore.storage.v1.StorageUploadService`: check fields, call, convert, return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from artstore.storage.v1 import uploads_pb2
from google.protobuf.message import DecodeError

from clients import wire
from clients.frames import decode_chunk, is_chunk
from clients.streams import ACCEPTED
from clients.wire.uploads import upload_to_proto
from services.chassis.caller import caller
from services.chassis.deadlines import idle
from services.model.errors import ValidationFailed
from services.model.ids import parse_upload_id
from services.storage.domain.modes import Operation
from services.storage.ports import Bytes
from services.storage.rpc.metrics import counted
from services.storage.usecases.resumable_uploads import (
    AbortUpload,
    AppendUpload,
    CompleteUpload,
    CreateUpload,
    GetUpload,
)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploading:
    """What can be done with resumable uploads."""

    create: CreateUpload
    append: AppendUpload
    get: GetUpload
    complete: CompleteUpload
    abort: AbortUpload


class StorageUploadServicer:
    """Not the generated base class: its `AppendUpload` would have every chunk decoded once more."""

    def __init__(self, can: Uploading) -> None:
        self._can = can

    async def CreateUpload(
        self, request: uploads_pb2.CreateUploadRequest, context: Context
    ) -> uploads_pb2.CreateUploadResponse:
        upload = await self._can.create(wire.new_file_from_proto(request.header), by=caller().subject)
        return uploads_pb2.CreateUploadResponse(upload=upload_to_proto(upload))

    async def AppendUpload(self, messages: AsyncIterator[bytes], context: Context) -> uploads_pb2.AppendUploadResponse:
        """Frames as they came over the wire. Initial metadata tell the sender that its bytes may come."""

        async def accepted() -> None:
            # A newer call may interrupt this one, which is then refused: gRPC, cut off while it sends these, would send
            # them once more with the refusal, and its core would drop both.
            sending = asyncio.ensure_future(context.send_initial_metadata(((ACCEPTED, "1"),)))
            try:
                await asyncio.shield(sending)
            except asyncio.CancelledError:
                await asyncio.wait({sending})
                raise

        frames = idle(messages)
        header = await _header(frames)
        upload = await self._can.append(
            parse_upload_id(header.upload_id),
            header.offset,
            _content(frames),
            by=caller().subject,
            accepted=accepted,
        )
        return uploads_pb2.AppendUploadResponse(upload=upload_to_proto(upload))

    async def GetUpload(self, request: uploads_pb2.GetUploadRequest, context: Context) -> uploads_pb2.GetUploadResponse:
        upload = await self._can.get(parse_upload_id(request.upload_id), by=caller().subject)
        return uploads_pb2.GetUploadResponse(upload=upload_to_proto(upload))

    async def CompleteUpload(
        self, request: uploads_pb2.CompleteUploadRequest, context: Context
    ) -> uploads_pb2.CompleteUploadResponse:
        with counted(Operation.UPLOAD):
            file = await self._can.complete(
                parse_upload_id(request.upload_id), wire.commit_from_proto(request.commit), by=caller().subject
            )
        return uploads_pb2.CompleteUploadResponse(file=wire.file_to_proto(file))

    async def AbortUpload(
        self, request: uploads_pb2.AbortUploadRequest, context: Context
    ) -> uploads_pb2.AbortUploadResponse:
        await self._can.abort(parse_upload_id(request.upload_id), by=caller().subject)
        return uploads_pb2.AbortUploadResponse()


def handlers(servicer: StorageUploadServicer) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """The service's methods, as a server takes them."""
    p = uploads_pb2
    return {
        "CreateUpload": grpc.unary_unary_rpc_method_handler(
            servicer.CreateUpload,
            request_deserializer=p.CreateUploadRequest.FromString,
            response_serializer=p.CreateUploadResponse.SerializeToString,
        ),
        # No deserializer: the frames arrive as they are on the wire.
        "AppendUpload": grpc.stream_unary_rpc_method_handler(
            servicer.AppendUpload, response_serializer=p.AppendUploadResponse.SerializeToString
        ),
        "GetUpload": grpc.unary_unary_rpc_method_handler(
            servicer.GetUpload,
            request_deserializer=p.GetUploadRequest.FromString,
            response_serializer=p.GetUploadResponse.SerializeToString,
        ),
        "CompleteUpload": grpc.unary_unary_rpc_method_handler(
            servicer.CompleteUpload,
            request_deserializer=p.CompleteUploadRequest.FromString,
            response_serializer=p.CompleteUploadResponse.SerializeToString,
        ),
        "AbortUpload": grpc.unary_unary_rpc_method_handler(
            servicer.AbortUpload,
            request_deserializer=p.AbortUploadRequest.FromString,
            response_serializer=p.AbortUploadResponse.SerializeToString,
        ),
    }


async def _header(frames: AsyncIterator[bytes]) -> uploads_pb2.AppendUploadHeader:
    frame = await anext(frames, b"")
    request = _decoded(frame)
    if not request.HasField("header"):
        raise ValidationFailed("what is added to an upload begins with its header")
    return request.header


async def _content(frames: AsyncIterator[bytes]) -> AsyncIterator[Bytes | int]:
    async for frame in frames:
        if is_chunk(frame):
            yield decode_chunk(frame)
            continue
        request = _decoded(frame)
        if not request.HasField("end"):
            raise ValidationFailed("after the header only chunks and the end may follow")
        yield request.end.size


def _decoded(frame: bytes) -> uploads_pb2.AppendUploadRequest:
    try:
        return uploads_pb2.AppendUploadRequest.FromString(frame)
    except DecodeError:
        raise ValidationFailed("a frame of the upload is malformed") from None
