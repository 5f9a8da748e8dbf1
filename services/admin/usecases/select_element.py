"""Decide where a new document goes, and learn from those who went there in vain."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from services.admin.domain.selection import select
from services.admin.ports import ElementStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import ElementAddress
from services.model.files import RetentionPolicy
from services.model.ids import ElementId

log = get_logger(__name__)


class SelectElement:
    """By what the elements said when they were last asked."""

    def __init__(self, *, elements: ElementStore, clock: Clock) -> None:
        self._elements = elements
        self._clock = clock
        self._turns = count()

    async def __call__(self, policy: RetentionPolicy, size: int | None) -> list[ElementAddress]:
        """Best first, one to five. Raises `NoElementAvailable`, `FileTooLarge`, `StorageFull`."""
        elements, now = await self._elements.all(), self._clock.now()
        return [record.address for record in select(elements, policy, size, now=now, turn=next(self._turns))]


class AvoidElement:
    """An element has failed somebody: until it has had time to recover, others are asked first."""

    def __init__(self, *, elements: ElementStore, clock: Clock, pause: timedelta) -> None:
        self._elements = elements
        self._clock = clock
        self._pause = pause

    async def __call__(self, element_id: ElementId) -> None:
        """One that is not registered is none of it."""
        if await self._elements.avoid(element_id, self._clock.now() + self._pause):
            log.warning("element has failed and is avoided", element_id=element_id, seconds=self._pause.total_seconds())
