"""What operations have in common that an element does itself, while Admin follows and keeps what came of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from services.admin.domain.elements import ElementRecord
from services.admin.domain.operations import Task
from services.admin.ports import ElementStore
from services.admin.usecases.run_operations import Note
from services.chassis.caller import Identity
from services.model.errors import NotFound, StorageUnavailable
from services.model.ids import Subject
from services.model.maintenance import ReconcileProgress, ReconcileReport, ScrubProgress, ScrubReport
from services.model.operations import Progress

ReportT = TypeVar("ReportT", ReconcileReport, ScrubReport)


async def element_of(task: Task, elements: ElementStore) -> ElementRecord:
    """The element on which it is to be done. Raises `NotFound`."""
    record = await elements.get(task.operation.element_id)
    if record is None:
        raise NotFound("there is no such storage element")
    return record


def user_of(task: Task) -> Identity:
    """Whoever started it. He had the right then, and his token may expire before the last byte is read."""
    return Identity(Subject(task.operation.created_by), frozenset({"storage:write"}))


async def followed(
    told: AsyncGenerator[ReconcileProgress | ScrubProgress | ReportT, None], note: Note, *, name: str
) -> ReportT:
    """The report, after a note of all progress; at the end all is done that there was. Raises `StorageUnavailable`."""
    done = 0
    async with aclosing(told):
        async for each in told:
            if isinstance(each, ReconcileReport | ScrubReport):
                await note(Progress(done, done), {})
                return each
            done = each.done
            await note(Progress(done, max(each.total, done)), {})
    raise StorageUnavailable(f"the {name} ended without its report")
