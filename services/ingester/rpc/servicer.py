"""`artstore.ingester.v1.IngestService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from artstore.ingester.v1 import ingester_pb2

from clients import wire
from services.chassis.caller import caller
from services.ingester.rpc.incoming import IncomingFrames
from services.ingester.usecases.delete_file import DeleteFile
from services.ingester.usecases.update_file import UpdateFile
from services.ingester.usecases.upload_file import UploadFile
from services.model.ids import parse_file_id

Context = grpc.aio.ServicerContext[Any, Any]


class IngestServicer:
    """Not the generated base class: its `Upload` would have every chunk decoded."""

    def __init__(self, upload_file: UploadFile, update_file: UpdateFile, delete_file: DeleteFile) -> None:
        self._upload_file = upload_file
        self._update_file = update_file
        self._delete_file = delete_file

    async def Upload(self, frames: AsyncIterator[bytes], context: Context) -> ingester_pb2.UploadResponse:
        document = await IncomingFrames.begin(frames)
        file = await self._upload_file(document, by=caller().user)
        return ingester_pb2.UploadResponse(file=wire.file_to_proto(file))

    async def UpdateFile(
        self, request: ingester_pb2.UpdateFileRequest, context: Context
    ) -> ingester_pb2.UpdateFileResponse:
        file = await self._update_file(
            parse_file_id(request.file_id),
            wire.change_from_proto(request.change),
            request.expected_revision,
            by=caller().user,
        )
        return ingester_pb2.UpdateFileResponse(file=wire.file_to_proto(file))

    async def DeleteFile(
        self, request: ingester_pb2.DeleteFileRequest, context: Context
    ) -> ingester_pb2.DeleteFileResponse:
        file = await self._delete_file(parse_file_id(request.file_id), request.expected_revision, by=caller().user)
        return ingester_pb2.DeleteFileResponse(file=wire.file_to_proto(file))
