"""Operations in memory, with the same promises as PostgreSQL's, and claims that a test gives and takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from services.admin.domain.operations import Order, Task
from services.admin.domain.places import Place
from services.model.errors import ServiceUnavailable
from services.model.ids import ElementId
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)


class MemoryOperations:
    """Fills `ports.OperationStore`."""

    def __init__(self) -> None:
        self.tasks: dict[OperationId, Task] = {}
        self.down = False

    async def start(self, order: Order, now: datetime) -> tuple[Operation, bool]:
        for each in await self.open():
            if (each.element_id, each.kind) == (order.element_id, order.kind):
                return each, False
        ident, state = OperationId(str(uuid4())), OperationState.PENDING
        made = Operation(ident, order.kind, order.element_id, state, order.by, now, arguments=order.arguments)
        self.tasks[made.id] = Task(made, order.arguments)
        return made, True

    async def get(self, operation_id: OperationId) -> Operation | None:
        task = self.tasks.get(operation_id)
        return task.operation if task else None

    async def page(
        self, wanted: OperationFilter, *, limit: int, offset: int = 0, after: Place | None = None
    ) -> tuple[Sequence[Operation], int]:
        matching = sorted(
            (each for each in self._all() if _matches(each, wanted)), key=lambda each: (each.created_at, each.id)
        )[::-1]
        begin = (datetime.fromisoformat(after.name), after.id) if after else None
        rest = [each for each in matching if begin is None or (each.created_at, each.id) < begin]
        return rest[offset : offset + limit], len(matching)

    async def open(self) -> Sequence[Operation]:
        if self.down:
            raise ServiceUnavailable("the registry does not answer now")
        return sorted((each for each in self._all() if not each.ended), key=lambda each: (each.created_at, each.id))

    async def take(self, operation_id: OperationId, now: datetime) -> Task | None:
        task = self.tasks.get(operation_id)
        if task is None or task.operation.ended:
            return None
        begun = replace(task.operation, state=OperationState.RUNNING, started_at=task.operation.started_at or now)
        self.tasks[operation_id] = replace(task, operation=begun, attempts=task.attempts + 1)
        return self.tasks[operation_id]

    async def note(self, operation_id: OperationId, progress: Progress, memory: Mapping[str, Any]) -> None:
        task = self.tasks.get(operation_id)
        if task is not None and not task.operation.ended:
            operation = replace(task.operation, progress=progress)
            self.tasks[operation_id] = replace(task, operation=operation, memory=memory, attempts=0)

    async def finish(
        self,
        operation_id: OperationId,
        state: OperationState,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        failure: OperationFailure | None = None,
    ) -> Operation | None:
        task = self.tasks.get(operation_id)
        if task is None or task.operation.ended:
            return None
        ended = replace(task.operation, state=state, result=result, failure=failure, finished_at=now)
        self.tasks[operation_id] = replace(task, operation=ended, memory={})
        return ended

    async def request_cancel(self, operation_id: OperationId) -> bool:
        task = self.tasks.get(operation_id)
        if task is None or task.operation.ended:
            return False
        self.tasks[operation_id] = replace(task, operation=replace(task.operation, cancel_requested=True))
        return True

    async def last(self, kind: OperationKind, element_id: ElementId | None = None) -> Mapping[ElementId, Operation]:
        wanted = [each for each in self._all() if each.kind is kind and element_id in (None, each.element_id)]
        return {each.element_id: each for each in sorted(wanted, key=lambda each: each.created_at)}

    async def prune(self, before: datetime) -> int:
        old = [each.id for each in self._all() if each.finished_at is not None and each.finished_at < before]
        for operation_id in old:
            del self.tasks[operation_id]
        return len(old)

    def _all(self) -> list[Operation]:
        return [task.operation for task in self.tasks.values()]


class FakeClaims:
    """Fills `ports.Claims`: everything is ours, but for what others have."""

    def __init__(self) -> None:
        self.others: set[str] = set()
        self.down = False

    async def hold(self, names: Collection[str]) -> frozenset[str]:
        if self.down:
            raise ServiceUnavailable("the registry does not answer now")
        return frozenset(names) - self.others


def _matches(operation: Operation, wanted: OperationFilter) -> bool:
    return (
        wanted.kind in (None, operation.kind)
        and wanted.state in (None, operation.state)
        and wanted.element_id in (None, operation.element_id)
    )
