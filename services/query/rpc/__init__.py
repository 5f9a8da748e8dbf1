"""Query's gRPC service."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.query.v1 import query_pb2

from services.query.rpc.servicer import QueryServicer
from services.query.usecases.download_file import DownloadFile
from services.query.usecases.get_file import GetFile
from services.query.usecases.search_files import SearchFiles

SERVICE = query_pb2.DESCRIPTOR.services_by_name["QueryService"].full_name


def add_to(
    server: grpc.aio.Server, *, search_files: SearchFiles, get_file: GetFile, download_file: DownloadFile
) -> list[str]:
    """Serve the use cases; returns the full names of the services, for reflection."""
    servicer = QueryServicer(search_files, get_file, download_file)
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Search": grpc.unary_unary_rpc_method_handler(
            servicer.Search,
            request_deserializer=query_pb2.SearchRequest.FromString,
            response_serializer=query_pb2.SearchResponse.SerializeToString,
        ),
        "GetFile": grpc.unary_unary_rpc_method_handler(
            servicer.GetFile,
            request_deserializer=query_pb2.GetFileRequest.FromString,
            response_serializer=query_pb2.GetFileResponse.SerializeToString,
        ),
        # No serializer: the frames of a download leave as they came from the element.
        "Download": grpc.unary_stream_rpc_method_handler(
            servicer.Download,
            request_deserializer=query_pb2.DownloadRequest.FromString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]
