"""Operations behind Admin: started, looked at, stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import grpc
from artstore.admin.v1 import maintenance_pb2, maintenance_pb2_grpc, operations_pb2, operations_pb2_grpc

from clients import metadata, wire
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.ids import ElementId
from services.model.operations import Operation, OperationFilter, OperationId
from services.model.paging import Page, PageRequest

UNARY: Final = 10.0
"""Seconds for a call that waits for nothing but Admin."""


class OperationsClient:
    """`on_behalf_of` is the user behind a call. Every method raises `ServiceUnavailable` when Admin is not reached."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._reads = operations_pb2_grpc.OperationReadServiceStub(channel)
        self._control = operations_pb2_grpc.OperationControlServiceStub(channel)
        self._maintenance = maintenance_pb2_grpc.ElementMaintenanceServiceStub(channel)

    async def list_operations(
        self, wanted: OperationFilter, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[Operation]:
        """A page, the latest first."""
        request = operations_pb2.ListOperationsRequest(
            kind=wire.operation_kind_to_proto(wanted.kind),
            state=wire.operation_state_to_proto(wanted.state),
            element_id=wanted.element_id or "",
            page=wire.page_request_to_proto(page),
        )
        return await ask(
            self._reads.ListOperations,
            request,
            lambda response: wire.page_from_proto(
                list(map(wire.operation_from_proto, response.operations)), response.page
            ),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def get_operation(self, operation_id: OperationId, *, on_behalf_of: Identity | None) -> Operation:
        """One operation. Raises `NotFound`."""
        return await ask(
            self._reads.GetOperation,
            operations_pb2.GetOperationRequest(operation_id=operation_id),
            lambda response: wire.operation_from_proto(response.operation),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def cancel_operation(self, operation_id: OperationId, *, on_behalf_of: Identity | None) -> Operation:
        """Stop it. Raises `NotFound`, and `Conflict` if it has ended in another way."""
        return await ask(
            self._control.CancelOperation,
            operations_pb2.CancelOperationRequest(operation_id=operation_id),
            lambda response: wire.operation_from_proto(response.operation),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def reconcile_element(
        self,
        element_id: ElementId,
        *,
        quick: bool = False,
        wait: timedelta = timedelta(0),
        on_behalf_of: Identity | None,
    ) -> tuple[Operation, bool]:
        """Start a reconciliation, or find the one that runs; and whether it was started. `wait` for its end so long.

        `quick`: compare only sizes. Raises `NotFound`.
        """
        return await ask(
            self._maintenance.ReconcileElement,
            maintenance_pb2.ReconcileElementRequest(
                element_id=element_id, quick=quick, wait=wire.duration_to_proto(wait)
            ),
            lambda response: (wire.operation_from_proto(response.operation), response.created),
            seconds=UNARY + wait.total_seconds(),
            metadata=metadata.bearer(on_behalf_of),
        )

    async def scrub_element(
        self, element_id: ElementId, *, wait: timedelta = timedelta(0), on_behalf_of: Identity | None
    ) -> tuple[Operation, bool]:
        """Start a scrub, or find the one that runs; and whether it was started. `wait` for its end so long.

        Raises `NotFound`.
        """
        return await ask(
            self._maintenance.ScrubElement,
            maintenance_pb2.ScrubElementRequest(element_id=element_id, wait=wire.duration_to_proto(wait)),
            lambda response: (wire.operation_from_proto(response.operation), response.created),
            seconds=UNARY + wait.total_seconds(),
            metadata=metadata.bearer(on_behalf_of),
        )

    async def sync_element(
        self,
        element_id: ElementId,
        *,
        force: bool = False,
        wait: timedelta = timedelta(0),
        on_behalf_of: Identity | None,
    ) -> tuple[Operation, bool]:
        """Start a full sync, or find the one that runs; and whether it was started. `wait` for its end so long.

        Raises `NotFound`.
        """
        return await ask(
            self._maintenance.SyncElement,
            maintenance_pb2.SyncElementRequest(element_id=element_id, force=force, wait=wire.duration_to_proto(wait)),
            lambda response: (wire.operation_from_proto(response.operation), response.created),
            seconds=UNARY + wait.total_seconds(),
            metadata=metadata.bearer(on_behalf_of),
        )
