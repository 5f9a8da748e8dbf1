"""Looking into storage elements, and running them."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.admin.v1 import maintenance_pb2, maintenance_pb2_grpc

from clients import wire
from services.admin.usecases.run_element import CollectElementGarbage, LookIntoElement, TransitionElementMode
from services.admin.usecases.standing import Standing
from services.chassis.caller import caller
from services.model.ids import parse_element_id

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
        self, transition_mode: TransitionElementMode, collect: CollectElementGarbage, standing: Standing
    ) -> None:
        self._transition_mode, self._collect, self._standing = transition_mode, collect, standing

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
