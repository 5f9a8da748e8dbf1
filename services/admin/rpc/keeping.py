"""The state of documents on the elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from artstore.admin.v1 import keeping_pb2, keeping_pb2_grpc

from clients import wire
from services.admin.usecases.keep_files import ListElementQuarantine, RestoreQuarantinedItem, VerifyFile
from services.admin.usecases.standing import Standing
from services.chassis.caller import caller
from services.model.ids import parse_element_id, parse_file_id, parse_quarantine_id

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingUseCases:
    """What can be asked about it."""

    verify_file: VerifyFile
    list_quarantine: ListElementQuarantine
    restore: RestoreQuarantinedItem


class FileCheckServicer(keeping_pb2_grpc.FileCheckServiceServicer):
    """See keeping.proto."""

    def __init__(self, verify: VerifyFile) -> None:
        self._verify = verify

    async def VerifyFile(
        self, request: keeping_pb2.VerifyFileRequest, context: Context
    ) -> keeping_pb2.VerifyFileResponse:
        found = await self._verify(parse_file_id(request.file_id), user=caller().user)
        return keeping_pb2.VerifyFileResponse(verification=wire.verified_to_proto(found))


class QuarantineReadServicer(keeping_pb2_grpc.QuarantineReadServiceServicer):
    """See keeping.proto."""

    def __init__(self, list_quarantine: ListElementQuarantine) -> None:
        self._list = list_quarantine

    async def ListElementQuarantine(
        self, request: keeping_pb2.ListElementQuarantineRequest, context: Context
    ) -> keeping_pb2.ListElementQuarantineResponse:
        page = await self._list(
            parse_element_id(request.element_id), wire.page_request_from_proto(request.page), user=caller().user
        )
        return keeping_pb2.ListElementQuarantineResponse(
            items=map(wire.item_to_proto, page.items), page=wire.page_info_to_proto(page)
        )


class QuarantineControlServicer(keeping_pb2_grpc.QuarantineControlServiceServicer):
    """See keeping.proto."""

    def __init__(self, restore: RestoreQuarantinedItem, standing: Standing) -> None:
        self._restore, self._standing = restore, standing

    async def RestoreQuarantinedItem(
        self, request: keeping_pb2.RestoreQuarantinedItemRequest, context: Context
    ) -> keeping_pb2.RestoreQuarantinedItemResponse:
        await self._standing(caller().user, "storage:write")
        file = await self._restore(
            parse_element_id(request.element_id), parse_quarantine_id(request.item_id), user=caller().user
        )
        return keeping_pb2.RestoreQuarantinedItemResponse(file=wire.file_to_proto(file))


def add_keeping_to(server: grpc.aio.Server, can: KeepingUseCases, standing: Standing) -> list[str]:
    """Serve all of it; return the names of the services."""
    keeping_pb2_grpc.add_FileCheckServiceServicer_to_server(FileCheckServicer(can.verify_file), server)
    keeping_pb2_grpc.add_QuarantineReadServiceServicer_to_server(QuarantineReadServicer(can.list_quarantine), server)
    keeping_pb2_grpc.add_QuarantineControlServiceServicer_to_server(
        QuarantineControlServicer(can.restore, standing), server
    )
    return [service.full_name for service in keeping_pb2.DESCRIPTOR.services_by_name.values()]
