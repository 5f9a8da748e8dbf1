"""Have an element reconcile itself, and keep what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.admin.domain.operations import Task, report_as_json
from services.admin.ports import ElementStore, Reconciling
from services.admin.usecases.element_pass import element_of, followed, user_of
from services.admin.usecases.run_operations import Note


class ReconcileElement:
    """In the name of whoever started it. The element goes on when it is not followed; who comes back finds it."""

    def __init__(self, *, elements: ElementStore, reconciling: Reconciling) -> None:
        self._elements = elements
        self._reconciling = reconciling

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return the report. Raises `NotFound`, `StorageUnavailable`, and what the element refuses with."""
        record, quick = await element_of(task, self._elements), bool(task.arguments.get("quick"))
        told = self._reconciling.reconcile(record.address, quick=quick, user=user_of(task))
        return report_as_json(await followed(told, note, name="reconciliation"))
