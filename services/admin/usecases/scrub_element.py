"""Have an element read every byte again, and keep what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.admin.domain.operations import Task, scrub_as_json
from services.admin.ports import ElementStore, Scrubbing
from services.admin.usecases.element_pass import element_of, followed, user_of
from services.admin.usecases.run_operations import Note


class ScrubElement:
    """In the name of whoever started it. The element goes on when it is not followed; who comes back finds it."""

    def __init__(self, *, elements: ElementStore, scrubbing: Scrubbing) -> None:
        self._elements = elements
        self._scrubbing = scrubbing

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return the report. Raises `NotFound`, `StorageUnavailable`, and what the element refuses with."""
        record = await element_of(task, self._elements)
        told = self._scrubbing.scrub(record.address, user=user_of(task))
        return scrub_as_json(await followed(told, note, name="scrub"))
