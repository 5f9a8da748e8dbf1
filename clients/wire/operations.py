"""Operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artstore.admin.v1 import operations_pb2

from clients.wire.scalars import (
    EnumTable,
    json_from_text,
    json_to_text,
    only_set,
    time_from_proto,
    time_to_proto,
    word_from_text,
)
from services.model.errors import ErrorCode
from services.model.ids import parse_element_id, parse_uuid
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)

if TYPE_CHECKING:
    from artstore.admin.v1.operations_pb2 import OperationKind as KindProto
    from artstore.admin.v1.operations_pb2 import OperationState as StateProto

_KINDS = EnumTable(OperationKind, operations_pb2.OperationKind, "OPERATION_KIND")
_STATES = EnumTable(OperationState, operations_pb2.OperationState, "OPERATION_STATE")


def operation_kind_to_proto(kind: OperationKind | None) -> KindProto.ValueType:
    """None becomes the unspecified value."""
    return _KINDS.to_proto(kind)


def operation_kind_from_proto(number: int, field: str = "kind") -> OperationKind | None:
    """The unspecified value, as a filter, becomes None."""
    return _KINDS.optional(number, field)


def operation_state_to_proto(state: OperationState | None) -> StateProto.ValueType:
    """None becomes the unspecified value."""
    return _STATES.to_proto(state)


def operation_state_from_proto(number: int, field: str = "state") -> OperationState | None:
    """The unspecified value, as a filter, becomes None."""
    return _STATES.optional(number, field)


def operation_to_proto(operation: Operation) -> operations_pb2.Operation:
    """Every field."""
    progress, failure = operation.progress, operation.failure
    return operations_pb2.Operation(
        operation_id=operation.id,
        kind=_KINDS.to_proto(operation.kind),
        element_id=operation.element_id,
        state=_STATES.to_proto(operation.state),
        progress=operations_pb2.OperationProgress(done=progress.done, total=progress.total, unit=progress.unit),
        result_json="" if operation.result is None else json_to_text(operation.result) or "{}",
        error=operations_pb2.OperationError(code=failure.code, message=failure.message) if failure else None,
        created_by=operation.created_by,
        created_at=time_to_proto(operation.created_at),
        cancel_requested=operation.cancel_requested,
        **only_set(started_at=time_to_proto(operation.started_at), finished_at=time_to_proto(operation.finished_at)),
    )


def operation_from_proto(message: operations_pb2.Operation) -> Operation:
    """Every field."""
    progress = message.progress
    return Operation(
        id=OperationId(parse_uuid(message.operation_id, field="operation_id")),
        kind=_KINDS.from_proto(message.kind, "kind"),
        element_id=parse_element_id(message.element_id),
        state=_STATES.from_proto(message.state, "state"),
        created_by=message.created_by,
        created_at=time_from_proto(message.created_at, "created_at"),
        started_at=time_from_proto(message.started_at, "started_at") if message.HasField("started_at") else None,
        finished_at=time_from_proto(message.finished_at, "finished_at") if message.HasField("finished_at") else None,
        progress=Progress(progress.done, progress.total if progress.HasField("total") else None, progress.unit),
        result=json_from_text(message.result_json, "result") if message.result_json else None,
        failure=_failure(message.error) if message.HasField("error") else None,
        cancel_requested=message.cancel_requested,
    )


def _failure(message: operations_pb2.OperationError) -> OperationFailure:
    return OperationFailure(word_from_text(ErrorCode, message.code, "code"), message.message)
