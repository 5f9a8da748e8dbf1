"""`artstore.storage.v1.StorageControlService`: check fields, call, convert, return."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.storage.v1 import control_pb2, control_pb2_grpc

from clients import wire
from services.chassis.caller import caller
from services.storage.rpc.metrics import CollectPass
from services.storage.usecases.describe_element import DescribeElement
from services.storage.usecases.transition_mode import TransitionMode

Context = grpc.aio.ServicerContext[Any, Any]


class StorageControlServicer(control_pb2_grpc.StorageControlServiceServicer):
    """See control.proto."""

    def __init__(self, describe: DescribeElement, transition_mode: TransitionMode, collect: CollectPass) -> None:
        self._describe, self._transition_mode, self._collect = describe, transition_mode, collect

    async def TransitionMode(
        self, request: control_pb2.TransitionModeRequest, context: Context
    ) -> control_pb2.TransitionModeResponse:
        target = wire.required_mode_from_proto(request.target_mode, "target_mode")
        state = await self._transition_mode(target, confirmed=request.confirm, by=caller().subject)
        return control_pb2.TransitionModeResponse(
            info=wire.info_to_proto(await self._describe()),
            changed_by=state.changed_by,
            changed_at=wire.time_to_proto(state.changed_at),
        )

    async def RunGc(self, request: control_pb2.RunGcRequest, context: Context) -> control_pb2.RunGcResponse:
        done = await self._collect(confirm_clock=request.confirm_clock)
        return control_pb2.RunGcResponse(
            expired=done.expired,
            destroyed=done.destroyed,
            freed_bytes=done.freed,
            failed=done.failed,
            refused=done.refused,
        )
