"""The file registry."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.admin.v1 import registry_pb2, registry_pb2_grpc

from clients import wire
from services.admin.domain.registry import Entry
from services.admin.usecases.mark_missing import MarkMissing
from services.admin.usecases.register_file import LocateFile, RegisterFile
from services.model.ids import parse_element_id, parse_file_id

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryWriteServicer(registry_pb2_grpc.RegistryWriteServiceServicer):
    """See registry.proto."""

    def __init__(self, register_file: RegisterFile, locate_file: LocateFile) -> None:
        self._register_file = register_file
        self._locate_file = locate_file

    async def RegisterFile(
        self, request: registry_pb2.RegisterFileRequest, context: Context
    ) -> registry_pb2.RegisterFileResponse:
        entry = Entry(parse_element_id(request.element_id), wire.file_from_proto(request.file))
        return registry_pb2.RegisterFileResponse(file=wire.file_to_proto(await self._register_file(entry)))

    async def LocateFile(
        self, request: registry_pb2.LocateFileRequest, context: Context
    ) -> registry_pb2.LocateFileResponse:
        located = await self._locate_file(parse_file_id(request.file_id))
        return registry_pb2.LocateFileResponse(
            element=wire.address_to_proto(located.element), file=wire.file_to_proto(located.file)
        )


class RegistryRepairServicer(registry_pb2_grpc.RegistryRepairServiceServicer):
    """See registry.proto."""

    def __init__(self, mark_missing: MarkMissing) -> None:
        self._mark_missing = mark_missing

    async def MarkMissing(
        self, request: registry_pb2.MarkMissingRequest, context: Context
    ) -> registry_pb2.MarkMissingResponse:
        file = await self._mark_missing(parse_file_id(request.file_id))
        return registry_pb2.MarkMissingResponse(file=wire.file_to_proto(file))
