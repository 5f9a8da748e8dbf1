"""The element on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from artstore.storage.v1 import control_pb2, control_pb2_grpc, feed_pb2, feed_pb2_grpc, storage_pb2, uploads_pb2

from services.storage.rpc import uploading
from services.storage.rpc.control import Control, StorageControlServicer
from services.storage.rpc.feed import StorageFeedServicer
from services.storage.rpc.forwarding import Forwarding
from services.storage.rpc.reading import StorageReadServicer
from services.storage.rpc.replicas import LEADER, Replicas
from services.storage.rpc.uploading import StorageUploadServicer, Uploading
from services.storage.rpc.waking import Woken
from services.storage.rpc.writing import StorageWriteServicer
from services.storage.usecases.delete_file import DeleteFile
from services.storage.usecases.describe_element import DescribeElement
from services.storage.usecases.download_file import DownloadFile
from services.storage.usecases.import_file import ImportFile
from services.storage.usecases.read_files import GetFile, ListDocuments, ListFiles
from services.storage.usecases.store_file import StoreFile
from services.storage.usecases.store_small_file import StoreSmallFile, StoreSmallFiles
from services.storage.usecases.update_file import UpdateFile
from services.storage.usecases.watch_changes import ListDestroyed, WatchChanges

__all__ = ["LEADER", "Forwarding", "Replicas", "UseCases", "Woken", "add_to"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """All that an element offers to others."""

    describe: DescribeElement
    get_file: GetFile
    list_files: ListFiles
    list_documents: ListDocuments
    download_file: DownloadFile
    store_file: StoreFile
    import_file: ImportFile
    store_small_file: StoreSmallFile
    store_small_files: StoreSmallFiles
    update_file: UpdateFile
    delete_file: DeleteFile
    uploading: Uploading
    control: Control
    watch_changes: WatchChanges
    list_destroyed: ListDestroyed


def add_to(server: grpc.aio.Server, can: UseCases, forwarding: Forwarding | None = None) -> list[str]:
    """Serve everything; return the names of the services. `forwarding`: or pass it on, where another process leads."""
    server = forwarding.around(server) if forwarding else server
    names = [service.full_name for service in storage_pb2.DESCRIPTOR.services_by_name.values()]
    handlers = {
        _READ: _reading(
            StorageReadServicer(can.describe, can.get_file, can.list_files, can.list_documents, can.download_file)
        ),
        _WRITE: _writing(
            StorageWriteServicer(
                can.store_file,
                can.import_file,
                can.store_small_file,
                can.store_small_files,
                can.update_file,
                can.delete_file,
            )
        ),
    }
    for name in names:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers[name]),))
    control = StorageControlServicer(can.control)
    control_pb2_grpc.add_StorageControlServiceServicer_to_server(control, server)
    feed = StorageFeedServicer(can.watch_changes, can.list_destroyed)
    feed_pb2_grpc.add_StorageFeedServiceServicer_to_server(feed, server)
    methods = uploading.handlers(StorageUploadServicer(can.uploading))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_UPLOADS, methods),))
    others = (control_pb2.DESCRIPTOR, feed_pb2.DESCRIPTOR, uploads_pb2.DESCRIPTOR)
    return [*names, *(service.full_name for file in others for service in file.services_by_name.values())]


_READ = storage_pb2.DESCRIPTOR.services_by_name["StorageReadService"].full_name
_WRITE = storage_pb2.DESCRIPTOR.services_by_name["StorageWriteService"].full_name
_UPLOADS = uploads_pb2.DESCRIPTOR.services_by_name["StorageUploadService"].full_name
Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"


def _reading(servicer: StorageReadServicer) -> Handlers:
    return {
        "GetInfo": grpc.unary_unary_rpc_method_handler(
            servicer.GetInfo,
            request_deserializer=storage_pb2.GetInfoRequest.FromString,
            response_serializer=storage_pb2.GetInfoResponse.SerializeToString,
        ),
        "GetFile": grpc.unary_unary_rpc_method_handler(
            servicer.GetFile,
            request_deserializer=storage_pb2.GetFileRequest.FromString,
            response_serializer=storage_pb2.GetFileResponse.SerializeToString,
        ),
        "ListFiles": grpc.unary_unary_rpc_method_handler(
            servicer.ListFiles,
            request_deserializer=storage_pb2.ListFilesRequest.FromString,
            response_serializer=storage_pb2.ListFilesResponse.SerializeToString,
        ),
        # No serializer: the frames of a download are made as they go over the wire.
        "Download": grpc.unary_stream_rpc_method_handler(
            servicer.Download, request_deserializer=storage_pb2.DownloadRequest.FromString
        ),
    }


def _writing(servicer: StorageWriteServicer) -> Handlers:
    return {
        # No deserializer: the frames of an upload arrive as they are on the wire.
        "Upload": grpc.stream_unary_rpc_method_handler(
            servicer.Upload, response_serializer=storage_pb2.UploadResponse.SerializeToString
        ),
        "ImportFile": grpc.stream_unary_rpc_method_handler(
            servicer.ImportFile, response_serializer=storage_pb2.ImportFileResponse.SerializeToString
        ),
        "StoreFile": grpc.unary_unary_rpc_method_handler(
            servicer.StoreFile,
            request_deserializer=storage_pb2.StoreFileRequest.FromString,
            response_serializer=storage_pb2.StoreFileResponse.SerializeToString,
        ),
        "StoreFiles": grpc.unary_unary_rpc_method_handler(
            servicer.StoreFiles,
            request_deserializer=storage_pb2.StoreFilesRequest.FromString,
            response_serializer=storage_pb2.StoreFilesResponse.SerializeToString,
        ),
        "UpdateFile": grpc.unary_unary_rpc_method_handler(
            servicer.UpdateFile,
            request_deserializer=storage_pb2.UpdateFileRequest.FromString,
            response_serializer=storage_pb2.UpdateFileResponse.SerializeToString,
        ),
        "DeleteFile": grpc.unary_unary_rpc_method_handler(
            servicer.DeleteFile,
            request_deserializer=storage_pb2.DeleteFileRequest.FromString,
            response_serializer=storage_pb2.DeleteFileResponse.SerializeToString,
        ),
    }
