"""The ingester's gRPC service."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.ingester.v1 import ingester_pb2

from services.ingester.rpc.servicer import IngestServicer
from services.ingester.usecases.delete_file import DeleteFile
from services.ingester.usecases.update_file import UpdateFile
from services.ingester.usecases.upload_file import UploadFile

SERVICE = ingester_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name


def add_to(
    server: grpc.aio.Server, *, upload_file: UploadFile, update_file: UpdateFile, delete_file: DeleteFile
) -> list[str]:
    """Serve the use cases; returns the full names of the services, for reflection."""
    servicer = IngestServicer(upload_file, update_file, delete_file)
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        # No deserializer: the frames of an upload arrive as they are on the wire.
        "Upload": grpc.stream_unary_rpc_method_handler(
            servicer.Upload,
            response_serializer=ingester_pb2.UploadResponse.SerializeToString,
        ),
        "UpdateFile": grpc.unary_unary_rpc_method_handler(
            servicer.UpdateFile,
            request_deserializer=ingester_pb2.UpdateFileRequest.FromString,
            response_serializer=ingester_pb2.UpdateFileResponse.SerializeToString,
        ),
        "DeleteFile": grpc.unary_unary_rpc_method_handler(
            servicer.DeleteFile,
            request_deserializer=ingester_pb2.DeleteFileRequest.FromString,
            response_serializer=ingester_pb2.DeleteFileResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]
