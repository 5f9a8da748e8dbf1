"""`artstore.query.v1.QueryService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from artstore.query.v1 import query_pb2

from clients import wire
from services.chassis.caller import caller
from services.model.ids import parse_file_id
from services.query.ports import ElementDownload
from services.query.usecases.download_file import DownloadFile
from services.query.usecases.get_file import GetFile
from services.query.usecases.search_files import SearchFiles

Context = grpc.aio.ServicerContext[Any, Any]


class QueryServicer:
    """Not the generated base class: its `Download` would have every chunk encoded once more."""

    def __init__(self, search_files: SearchFiles, get_file: GetFile, download_file: DownloadFile) -> None:
        self._search_files = search_files
        self._get_file = get_file
        self._download_file = download_file

    async def Search(self, request: query_pb2.SearchRequest, context: Context) -> query_pb2.SearchResponse:
        page = await self._search_files(wire.search_from_proto(request))
        return query_pb2.SearchResponse(hits=map(wire.hit_to_proto, page.items), page=wire.page_info_to_proto(page))

    async def GetFile(self, request: query_pb2.GetFileRequest, context: Context) -> query_pb2.GetFileResponse:
        file = await self._get_file(parse_file_id(request.file_id))
        return query_pb2.GetFileResponse(file=wire.file_to_proto(file))

    async def Download(self, request: query_pb2.DownloadRequest, context: Context) -> AsyncIterator[bytes]:
        wanted = wire.range_from_proto(request.range) if request.HasField("range") else None
        async with self._download_file(parse_file_id(request.file_id), wanted, by=caller().user) as download:
            yield _header(download)
            async for frame in download.frames():
                yield frame


def _header(download: ElementDownload) -> bytes:
    header = query_pb2.DownloadHeader(
        file=wire.file_to_proto(download.file),
        range=None if download.range is None else wire.range_to_proto(download.range),
    )
    return query_pb2.DownloadResponse(header=header).SerializeToString()
