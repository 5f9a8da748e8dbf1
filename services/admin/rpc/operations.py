"""Operations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from artstore.admin.v1 import operations_pb2 as pb
from artstore.admin.v1 import operations_pb2_grpc

from clients import wire
from services.admin.usecases.operations import CancelOperation, GetOperation, ListOperations, StartOperation
from services.admin.usecases.standing import Standing
from services.chassis.caller import caller
from services.model.ids import parse_element_id, parse_uuid
from services.model.operations import OperationFilter, OperationId

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationUseCases:
    """All that can be done with operations."""

    start: StartOperation
    list_operations: ListOperations
    get: GetOperation
    cancel: CancelOperation


def add_operations_to(server: grpc.aio.Server, can: OperationUseCases, standing: Standing) -> None:
    """Serve everything of operations.proto."""
    read, control, watch = (
        OperationReadServicer(can),
        OperationControlServicer(can, standing),
        OperationWatchServicer(can),
    )
    operations_pb2_grpc.add_OperationReadServiceServicer_to_server(read, server)
    operations_pb2_grpc.add_OperationControlServiceServicer_to_server(control, server)
    operations_pb2_grpc.add_OperationWatchServiceServicer_to_server(watch, server)


class OperationReadServicer(operations_pb2_grpc.OperationReadServiceServicer):
    """See operations.proto."""

    def __init__(self, can: OperationUseCases) -> None:
        self._list, self._get = can.list_operations, can.get

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Context) -> pb.ListOperationsResponse:
        wanted = OperationFilter(
            wire.operation_kind_from_proto(request.kind),
            wire.operation_state_from_proto(request.state),
            parse_element_id(request.element_id) if request.element_id else None,
        )
        page = await self._list(wanted, wire.page_request_from_proto(request.page))
        return pb.ListOperationsResponse(
            operations=map(wire.operation_to_proto, page.items), page=wire.page_info_to_proto(page)
        )

    async def GetOperation(self, request: pb.GetOperationRequest, context: Context) -> pb.GetOperationResponse:
        operation = await self._get(_operation_id(request.operation_id))
        return pb.GetOperationResponse(operation=wire.operation_to_proto(operation))


class OperationControlServicer(operations_pb2_grpc.OperationControlServiceServicer):
    """See operations.proto."""

    def __init__(self, can: OperationUseCases, standing: Standing) -> None:
        self._cancel, self._standing = can.cancel, standing

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: Context) -> pb.CancelOperationResponse:
        await self._standing(caller().user, "storage:write")
        operation = await self._cancel(_operation_id(request.operation_id), user=caller().user)
        return pb.CancelOperationResponse(operation=wire.operation_to_proto(operation))


class OperationWatchServicer(operations_pb2_grpc.OperationWatchServiceServicer):
    """See operations.proto."""

    def __init__(self, can: OperationUseCases) -> None:
        self._get = can.get

    async def WatchOperation(
        self, request: pb.WatchOperationRequest, context: Context
    ) -> AsyncIterator[pb.WatchOperationResponse]:
        async with aclosing(self._get.watch(_operation_id(request.operation_id))) as operations:
            async for operation in operations:
                yield pb.WatchOperationResponse(operation=wire.operation_to_proto(operation))


def _operation_id(text: str) -> OperationId:
    return OperationId(parse_uuid(text, field="operation_id"))
