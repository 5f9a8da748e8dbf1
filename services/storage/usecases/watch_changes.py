"""Tell what changes, as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from services.model.feed import Change, DestroyedPage, FeedPosition
from services.model.paging import PageRequest
from services.storage.domain.modes import Operation
from services.storage.ports import Feed
from services.storage.usecases.mode_gate import ModeGate

HEARTBEAT: Final = 5.0
"""Seconds of silence after which a watch gives a sign of life."""


class WatchChanges:
    """The change feed."""

    def __init__(self, *, gate: ModeGate, feed: Feed, heartbeat: float = HEARTBEAT) -> None:
        self._gate, self._feed, self._heartbeat = gate, feed, heartbeat

    async def __call__(self, since: FeedPosition | None) -> AsyncGenerator[FeedPosition | Change, None]:
        """The position, the changes after it without an end, and the position again as a sign of life.

        `since` None: from now on. Raises `FeedReset`, at the beginning or later, and `StorageUnavailable`.
        """
        self._gate.require(Operation.READ)
        following = await self._feed.follow(since)
        yield following.position
        while True:
            changes = await following.read(within=self._heartbeat)
            for change in changes:
                yield change
            if not changes:
                yield following.position


class ListDestroyed:
    """What the element has ever destroyed."""

    def __init__(self, *, gate: ModeGate, feed: Feed) -> None:
        self._gate, self._feed = gate, feed

    async def __call__(self, page: PageRequest) -> DestroyedPage:
        """In the order of destruction. Raises `ValidationFailed`, `StorageUnavailable`."""
        self._gate.require(Operation.READ)
        page.check()
        return await self._feed.destroyed(page.cursor, page.limit)
