"""Have an element reconcile itself, and keep what it found."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from services.admin.domain.operations import Task, report_as_json
from services.admin.ports import ElementStore, Reconciling
from services.admin.usecases.run_operations import Note
from services.chassis.caller import Identity
from services.model.errors import NotFound, StorageUnavailable
from services.model.ids import Subject
from services.model.maintenance import ReconcileReport
from services.model.operations import Progress


class ReconcileElement:
    """In the name of whoever started it. The element goes on when it is not followed; who comes back finds it."""

    def __init__(self, *, elements: ElementStore, reconciling: Reconciling) -> None:
        self._elements = elements
        self._reconciling = reconciling

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return the report. Raises `NotFound`, `StorageUnavailable`, and what the element refuses with."""
        operation = task.operation
        record = await self._elements.get(operation.element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        # He had the right when he started it, and his token may expire before the last byte is read.
        user = Identity(Subject(operation.created_by), frozenset({"storage:write"}))
        quick = bool(task.arguments.get("quick"))
        async with aclosing(self._reconciling.reconcile(record.address, quick=quick, user=user)) as told:
            async for each in told:
                if isinstance(each, ReconcileReport):
                    return report_as_json(each)
                await note(Progress(each.done, max(each.total, each.done)), {})
        raise StorageUnavailable("the reconciliation ended without its report")
