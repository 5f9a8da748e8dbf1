"""`artstore.storage.v1.StorageWriteService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
from artstore.storage.v1 import storage_pb2

from clients import wire
from clients.streams import ACCEPTED
from services.chassis.caller import caller
from services.chassis.deadlines import idle
from services.model.ids import parse_file_id
from services.storage.domain.modes import Operation
from services.storage.rpc import convert, several
from services.storage.rpc.metrics import counted
from services.storage.usecases.delete_file import DeleteFile
from services.storage.usecases.import_file import ImportFile
from services.storage.usecases.store_file import StoreFile
from services.storage.usecases.store_small_file import StoreSmallFile, StoreSmallFiles
from services.storage.usecases.update_file import UpdateFile

Context = grpc.aio.ServicerContext[Any, Any]


class StorageWriteServicer:
    """Not the generated base class: its `Upload` would have every chunk decoded once more."""

    def __init__(
        self, store_file: StoreFile, import_file: ImportFile, store_small_file: StoreSmallFile,
        store_small_files: StoreSmallFiles, update_file: UpdateFile, delete_file: DeleteFile,
    ) -> None:  # fmt: skip
        self._store_file, self._import_file = store_file, import_file
        self._store_small_file, self._store_small_files = store_small_file, store_small_files
        self._update_file, self._delete_file = update_file, delete_file

    async def Upload(self, messages: AsyncIterator[bytes], context: Context) -> storage_pb2.UploadResponse:
        """Frames as they came over the wire. Initial metadata tell the sender that its header was accepted."""
        frames = convert.upload_frames(idle(messages))
        with counted(Operation.UPLOAD):
            file = await self._store_file(frames, by=caller().subject, accepted=partial(_accepted, context))
        return storage_pb2.UploadResponse(file=wire.file_to_proto(file))

    async def ImportFile(self, messages: AsyncIterator[bytes], context: Context) -> storage_pb2.ImportFileResponse:
        """As `Upload`."""
        frames = convert.import_frames(idle(messages))
        with counted(Operation.UPLOAD):
            file = await self._import_file(frames, accepted=partial(_accepted, context))
        return storage_pb2.ImportFileResponse(file=wire.file_to_proto(file))

    async def StoreFile(self, request: storage_pb2.StoreFileRequest, context: Context) -> storage_pb2.StoreFileResponse:
        with counted(Operation.UPLOAD):
            file = await self._store_small_file(convert.offered(request), by=caller().subject)
        return storage_pb2.StoreFileResponse(file=wire.file_to_proto(file))

    async def StoreFiles(
        self, request: storage_pb2.StoreFilesRequest, context: Context
    ) -> storage_pb2.StoreFilesResponse:
        outcomes = await self._store_small_files(several.offered(request), by=caller().subject)
        results = [several.result(*each) for each in zip(request.items, outcomes, strict=True)]
        return storage_pb2.StoreFilesResponse(results=results)

    async def UpdateFile(
        self, request: storage_pb2.UpdateFileRequest, context: Context
    ) -> storage_pb2.UpdateFileResponse:
        with counted(Operation.UPDATE):
            file = await self._update_file(
                parse_file_id(request.file_id),
                wire.change_from_proto(request.change),
                expected_revision=convert.expected_revision(request.expected_revision),
            )
        return storage_pb2.UpdateFileResponse(file=wire.file_to_proto(file))

    async def DeleteFile(
        self, request: storage_pb2.DeleteFileRequest, context: Context
    ) -> storage_pb2.DeleteFileResponse:
        with counted(Operation.DELETE):
            file = await self._delete_file(
                parse_file_id(request.file_id),
                expected_revision=convert.expected_revision(request.expected_revision),
                by=caller().subject,
            )
        return storage_pb2.DeleteFileResponse(file=wire.file_to_proto(file))


async def _accepted(context: Context) -> None:
    await context.send_initial_metadata(((ACCEPTED, "1"),))
