"""How far feeds are known, in memory."""

from __future__ import annotations

from dataclasses import replace

from services.admin.domain.feed import Step
from services.admin.domain.registry import ended_as
from services.model.errors import Conflict
from services.model.feed import FeedPosition
from services.model.ids import ElementId
from tests.doubles.admin_registry import MemoryRegistry
from tests.doubles.admin_stores import MemoryElements


class MemoryFeeds:
    """Fills `ports.FeedStore`."""

    def __init__(self, elements: MemoryElements, registry: MemoryRegistry) -> None:
        self._elements = elements
        self._registry = registry
        self.positions: dict[ElementId, FeedPosition] = {}

    async def position(self, element_id: ElementId) -> FeedPosition | None:
        return self.positions.get(element_id)

    async def begin(self, element_id: ElementId, position: FeedPosition) -> None:
        known = self.positions.get(element_id)
        if element_id in self._elements.records and (known is None or known.feed_id != position.feed_id):
            self.positions[element_id] = position

    async def forget(self, element_id: ElementId) -> None:
        self.positions.pop(element_id, None)

    async def apply(self, element_id: ElementId, step: Step) -> int:
        known = self.positions.get(element_id)
        if known is None or known.feed_id != step.position.feed_id:
            raise Conflict("another feed of this element is followed now")
        changed = await self._registry.bring(step.entries)
        for file_id, status in step.ended.items():
            row = self._registry.rows.get(file_id)
            if row is not None and row.element_id == element_id and row.file.status is not status:
                self._registry.rows[file_id] = replace(row, file=ended_as(row.file, status))
                changed += 1
        if step.mode is not None:
            record = self._elements.records[element_id]
            if step.mode.revision > record.info.mode_revision:
                info = replace(record.info, mode=step.mode.mode, mode_revision=step.mode.revision)
                self._elements.records[element_id] = replace(record, info=info)
        self.positions[element_id] = max(known, step.position, key=lambda each: each.number)
        return changed
