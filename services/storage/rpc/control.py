"""`artstore.storage.v1.StorageControlService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from artstore.storage.v1 import control_pb2, control_pb2_grpc

from clients import wire
from services.chassis.caller import caller
from services.model.ids import parse_file_id, parse_quarantine_id
from services.model.maintenance import ReconcileReport, ScrubReport
from services.storage.domain.modes import Operation
from services.storage.rpc.metrics import CollectPass, counted
from services.storage.usecases.describe_element import DescribeElement
from services.storage.usecases.quarantine import ListQuarantine, RestoreQuarantined
from services.storage.usecases.reconciling import Reconciling
from services.storage.usecases.scrubbing import Scrubbings
from services.storage.usecases.transition_mode import TransitionMode
from services.storage.usecases.verify_file import VerifyFile

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Control:
    """What runs an element."""

    describe: DescribeElement
    transition_mode: TransitionMode
    collect: CollectPass
    verify: VerifyFile
    reconciling: Reconciling
    scrubbing: Scrubbings
    list_quarantine: ListQuarantine
    restore: RestoreQuarantined


class StorageControlServicer(control_pb2_grpc.StorageControlServiceServicer):
    """See control.proto."""

    def __init__(self, can: Control) -> None:
        self._can = can

    async def TransitionMode(
        self, request: control_pb2.TransitionModeRequest, context: Context
    ) -> control_pb2.TransitionModeResponse:
        target = wire.required_mode_from_proto(request.target_mode, "target_mode")
        state = await self._can.transition_mode(target, confirmed=request.confirm, by=caller().subject)
        return control_pb2.TransitionModeResponse(
            info=wire.info_to_proto(await self._can.describe()),
            changed_by=state.changed_by,
            changed_at=wire.time_to_proto(state.changed_at),
        )

    async def RunGc(self, request: control_pb2.RunGcRequest, context: Context) -> control_pb2.RunGcResponse:
        done = await self._can.collect(confirm_clock=request.confirm_clock)
        return control_pb2.RunGcResponse(
            expired=done.expired,
            destroyed=done.destroyed,
            freed_bytes=done.freed,
            failed=done.failed,
            refused=done.refused,
        )

    async def VerifyFile(
        self, request: control_pb2.VerifyFileRequest, context: Context
    ) -> control_pb2.VerifyFileResponse:
        with counted(Operation.VERIFY):
            found = await self._can.verify(parse_file_id(request.file_id))
        return control_pb2.VerifyFileResponse(verification=wire.verified_to_proto(found))

    async def Reconcile(
        self, request: control_pb2.ReconcileRequest, context: Context
    ) -> AsyncIterator[control_pb2.ReconcileResponse]:
        async with aclosing(self._can.reconciling(thorough=not request.quick)) as frames:
            async for frame in frames:
                if isinstance(frame, ReconcileReport):
                    yield control_pb2.ReconcileResponse(report=wire.report_to_proto(frame))
                else:
                    yield control_pb2.ReconcileResponse(progress=wire.progress_to_proto(frame))

    async def RunScrub(
        self, request: control_pb2.RunScrubRequest, context: Context
    ) -> AsyncIterator[control_pb2.RunScrubResponse]:
        async with aclosing(self._can.scrubbing()) as frames:
            async for frame in frames:
                if isinstance(frame, ScrubReport):
                    yield control_pb2.RunScrubResponse(report=wire.scrub_report_to_proto(frame))
                else:
                    yield control_pb2.RunScrubResponse(progress=wire.scrub_progress_to_proto(frame))

    async def ListQuarantine(
        self, request: control_pb2.ListQuarantineRequest, context: Context
    ) -> control_pb2.ListQuarantineResponse:
        page = await self._can.list_quarantine(wire.page_request_from_proto(request.page))
        return control_pb2.ListQuarantineResponse(
            items=map(wire.item_to_proto, page.items), page=wire.page_info_to_proto(page)
        )

    async def RestoreQuarantined(
        self, request: control_pb2.RestoreQuarantinedRequest, context: Context
    ) -> control_pb2.RestoreQuarantinedResponse:
        file = await self._can.restore(parse_quarantine_id(request.item_id), by=caller().subject)
        return control_pb2.RestoreQuarantinedResponse(file=wire.file_to_proto(file))
