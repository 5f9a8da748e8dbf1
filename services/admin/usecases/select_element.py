"""Decide where a new document goes."""

from __future__ import annotations

from services.admin.domain.selection import select
from services.admin.ports import ElementStore
from services.model.elements import ElementAddress
from services.model.files import RetentionPolicy


class SelectElement:
    """By what the elements said when they were last asked."""

    def __init__(self, *, elements: ElementStore) -> None:
        self._elements = elements

    async def __call__(self, policy: RetentionPolicy, size: int | None) -> list[ElementAddress]:
        """Best first, one to five. Raises `NoElementAvailable`, `FileTooLarge`, `StorageFull`."""
        return [record.address for record in select(await self._elements.all(), policy, size)]
