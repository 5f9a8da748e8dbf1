"""Looking into storage elements, and running them."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.admin.v1 import maintenance_pb2, maintenance_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from clients import wire
from services.admin.rpc.operations import OperationUseCases
from services.admin.usecases.run_element import CollectElementGarbage, LookIntoElement, TransitionElementMode
from services.admin.usecases.standing import Standing
from services.chassis.caller import caller
from services.model.ids import parse_element_id
from services.model.operations import Operation, OperationKind

Context = grpc.aio.ServicerContext[Any, Any]


class ElementLiveServicer(maintenance_pb2_grpc.ElementLiveServiceServicer):
    """See maintenance.proto."""

    def __init__(self, look: LookIntoElement) -> None:
        self._look = look

    async def GetElementInfo(
        self, request: maintenance_pb2.GetElementInfoRequest, context: Context
    ) -> maintenance_pb2.GetElementInfoResponse:
        info = await self._look.info(parse_element_id(request.element_id), user=caller().user)
        return maintenance_pb2.GetElementInfoResponse(info=wire.info_to_proto(info))

    async def ListElementFiles(
        self, request: maintenance_pb2.ListElementFilesRequest, context: Context
    ) -> maintenance_pb2.ListElementFilesResponse:
        page = await self._look.files(
            parse_element_id(request.element_id),
            wire.status_from_proto(request.status),
            wire.page_request_from_proto(request.page),
            user=caller().user,
        )
        return maintenance_pb2.ListElementFilesResponse(
            files=map(wire.file_to_proto, page.items), page=wire.page_info_to_proto(page)
        )


class ElementMaintenanceServicer(maintenance_pb2_grpc.ElementMaintenanceServiceServicer):
    """See maintenance.proto."""

    def __init__(
        self,
        transition_mode: TransitionElementMode,
        collect: CollectElementGarbage,
        operations: OperationUseCases,
        standing: Standing,
    ) -> None:
        self._transition_mode, self._collect, self._standing = transition_mode, collect, standing
        self._operations = operations

    async def TransitionElementMode(
        self, request: maintenance_pb2.TransitionElementModeRequest, context: Context
    ) -> maintenance_pb2.TransitionElementModeResponse:
        await self._standing(caller().user, "storage:write")
        element = await self._transition_mode(
            parse_element_id(request.element_id),
            wire.required_mode_from_proto(request.target_mode, "target_mode"),
            confirm=request.confirm,
            user=caller().user,
        )
        return maintenance_pb2.TransitionElementModeResponse(element=wire.element_to_proto(element))

    async def CollectElementGarbage(
        self, request: maintenance_pb2.CollectElementGarbageRequest, context: Context
    ) -> maintenance_pb2.CollectElementGarbageResponse:
        await self._standing(caller().user, "storage:write")
        done = await self._collect(
            parse_element_id(request.element_id), confirm_clock=request.confirm_clock, user=caller().user
        )
        return maintenance_pb2.CollectElementGarbageResponse(
            expired=done.expired,
            destroyed=done.destroyed,
            freed_bytes=done.freed,
            failed=done.failed,
            refused=done.refused,
        )

    async def SyncElement(
        self, request: maintenance_pb2.SyncElementRequest, context: Context
    ) -> maintenance_pb2.SyncElementResponse:
        arguments = {"force": request.force}
        operation, created = await self._started(OperationKind.SYNC, request.element_id, arguments, request.wait)
        return maintenance_pb2.SyncElementResponse(operation=wire.operation_to_proto(operation), created=created)

    async def ReconcileElement(
        self, request: maintenance_pb2.ReconcileElementRequest, context: Context
    ) -> maintenance_pb2.ReconcileElementResponse:
        arguments = {"quick": request.quick}
        operation, created = await self._started(OperationKind.RECONCILE, request.element_id, arguments, request.wait)
        return maintenance_pb2.ReconcileElementResponse(operation=wire.operation_to_proto(operation), created=created)

    async def ScrubElement(
        self, request: maintenance_pb2.ScrubElementRequest, context: Context
    ) -> maintenance_pb2.ScrubElementResponse:
        operation, created = await self._started(OperationKind.SCRUB, request.element_id, {}, request.wait)
        return maintenance_pb2.ScrubElementResponse(operation=wire.operation_to_proto(operation), created=created)

    async def _started(
        self, kind: OperationKind, element_id: str, arguments: dict[str, Any], wait: Duration
    ) -> tuple[Operation, bool]:
        user, patience = caller().user, wire.duration_from_proto(wait, "wait")
        await self._standing(user, "storage:write")
        operation, created = await self._operations.start(
            kind, parse_element_id(element_id), arguments, by=user.subject
        )
        return await self._operations.get.wait(operation, patience), created
