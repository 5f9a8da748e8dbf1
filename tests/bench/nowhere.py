"""An element that takes uploads and drops them: what gRPC alone can do. Settings as an element's."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from artstore.storage.v1 import storage_pb2

from clients import wire
from clients.frames import decode_chunk, is_chunk
from clients.streams import ACCEPTED
from services.chassis.authentication import OnBehalfOfAuthenticator
from services.chassis.deadlines import idle
from services.chassis.lifespan import Process, run
from services.chassis.server import GrpcServer
from services.chassis.settings import load
from services.storage.config import Settings
from tests.doubles.documents import a_file

SERVICE = "artstore.storage.v1.StorageWriteService"


async def upload(frames: AsyncIterator[bytes], context: Any) -> storage_pb2.UploadResponse:
    """Count what comes, and keep nothing."""
    size = 0
    async for frame in idle(frames):
        if is_chunk(frame):
            size += len(decode_chunk(frame))
        elif storage_pb2.UploadRequest.FromString(frame).HasField("header"):
            await context.send_initial_metadata(((ACCEPTED, "1"),))
    file = a_file(size=size, sha256=hashlib.sha256(b"").hexdigest())
    return storage_pb2.UploadResponse(file=wire.file_to_proto(file))


async def store(request: storage_pb2.StoreFileRequest, context: Any) -> storage_pb2.StoreFileResponse:
    """Keep nothing."""
    new = wire.new_file_from_proto(request.header)
    file = a_file(size=len(request.chunk), sha256=hashlib.sha256(request.chunk).hexdigest(), tags=new.tags)
    return storage_pb2.StoreFileResponse(file=wire.file_to_proto(file))


async def serve(settings: Settings) -> None:
    """Serve until a signal comes."""
    async with Process("storage", settings) as process:
        server = GrpcServer(settings, service="storage", authenticator=OnBehalfOfAuthenticator(frozenset({"ingester"})))
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Upload": grpc.stream_unary_rpc_method_handler(
                upload, response_serializer=storage_pb2.UploadResponse.SerializeToString
            ),
            "StoreFile": grpc.unary_unary_rpc_method_handler(
                store,
                request_deserializer=storage_pb2.StoreFileRequest.FromString,
                response_serializer=storage_pb2.StoreFileResponse.SerializeToString,
            ),
        }
        server.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        await server.start([SERVICE])
        await process.serve(server)


if __name__ == "__main__":
    run(serve, load(Settings))
