"""Tell whoever watches how the elements are, and what changes about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from services.admin.domain.elements import ElementRecord
from services.admin.ports import ElementStore
from services.model.elements import Element
from services.model.ids import ElementId


@dataclass(frozen=True, slots=True)
class ElementNews:
    """An element as it is now."""

    element: Element
    removed: bool = False
    """It is registered no more; `element` is what it was last."""


class FollowElements:
    """A call of it is one pass, which reads the store once for all who follow, or not at all if nobody does.

    It reads the store rather than listen to this process's heartbeat, for another replica may have seen the change.
    """

    def __init__(self, *, elements: ElementStore) -> None:
        self._elements = elements
        self._passed = asyncio.Condition()
        self._latest: Sequence[ElementRecord] = ()
        self._passes = 0
        self._followers = 0

    async def __call__(self) -> int:
        """Return how many were told."""
        if self._followers:
            latest = await self._elements.all()
            async with self._passed:
                self._latest = latest
                self._passes += 1
                self._passed.notify_all()
        return self._followers

    async def follow(self) -> AsyncGenerator[ElementNews, None]:
        """Every element, then every change, for ever. Raises `ServiceUnavailable` if the store is away at first."""
        told: dict[ElementId, Element] = {}
        self._followers += 1
        try:
            seen, present = self._passes, await self._elements.all()
            while True:
                now = {record.element_id: record.element for record in present}
                for news in changes(told, now):
                    yield news
                told = now
                seen, present = await self._next(seen)
        finally:
            self._followers -= 1

    async def _next(self, seen: int) -> tuple[int, Sequence[ElementRecord]]:
        """What a pass after `seen` has found: also one that ended while the news were being written."""
        async with self._passed:
            await self._passed.wait_for(lambda: self._passes > seen)
            return self._passes, self._latest


def changes(before: Mapping[ElementId, Element], now: Mapping[ElementId, Element]) -> list[ElementNews]:
    """What became of the elements, in the order of `now`; those that went come last."""
    new = [ElementNews(each) for key, each in now.items() if key not in before or _state(before[key]) != _state(each)]
    return new + [ElementNews(each, removed=True) for key, each in before.items() if key not in now]


def _state(element: Element) -> tuple[object, ...]:
    """What is worth telling: sizes and counts change with every upload, and are not."""
    return (
        *(element.name, element.endpoint, element.mode, element.replica_mode, element.role, element.version),
        *(element.status, element.status_reason),
    )
