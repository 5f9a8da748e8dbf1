"""`artstore.storage.v1.StorageReadService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from artstore.storage.v1 import storage_pb2

from clients import wire
from services.model.ids import parse_file_id
from services.storage.domain.documents import SCHEMA_VERSION
from services.storage.domain.modes import Operation
from services.storage.rpc import convert
from services.storage.rpc.metrics import counted
from services.storage.usecases.describe_element import DescribeElement
from services.storage.usecases.download_file import DownloadFile
from services.storage.usecases.read_files import GetFile, ListDocuments, ListFiles

Context = grpc.aio.ServicerContext[Any, Any]


class StorageReadServicer:
    """Not the generated base class: its `Download` would have every chunk encoded once more."""

    def __init__(
        self,
        describe: DescribeElement,
        get_file: GetFile,
        list_files: ListFiles,
        list_documents: ListDocuments,
        download_file: DownloadFile,
    ) -> None:
        self._describe, self._get_file, self._list_files = describe, get_file, list_files
        self._list_documents, self._download_file = list_documents, download_file

    async def GetInfo(self, request: storage_pb2.GetInfoRequest, context: Context) -> storage_pb2.GetInfoResponse:
        return storage_pb2.GetInfoResponse(info=wire.info_to_proto(await self._describe()))

    async def GetFile(self, request: storage_pb2.GetFileRequest, context: Context) -> storage_pb2.GetFileResponse:
        file = await self._get_file(parse_file_id(request.file_id))
        return storage_pb2.GetFileResponse(file=wire.file_to_proto(file))

    async def ListFiles(self, request: storage_pb2.ListFilesRequest, context: Context) -> storage_pb2.ListFilesResponse:
        status, page = wire.status_from_proto(request.status), wire.page_request_from_proto(request.page)
        if status is None and request.document_version >= SCHEMA_VERSION:
            documents = await self._list_documents(page)
            if documents is not None:
                return convert.documents_to_proto(documents)
        return wire.listing_to_proto(await self._list_files(status, page))

    async def Download(self, request: storage_pb2.DownloadRequest, context: Context) -> AsyncIterator[bytes]:
        """Frames as they go over the wire."""
        with counted(Operation.DOWNLOAD):
            frames = self._download_file(parse_file_id(request.file_id), convert.wanted_range(request))
            async with aclosing(frames):
                async for frame in frames:
                    yield convert.download_frame(frame)
