"""The changes to an element, in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from services.model.errors import FeedReset
from services.model.feed import Change, ChangeKind, Destroyed, DestroyedPage, FeedPosition, ModeChange
from services.model.files import FileAttributes
from services.storage.store.cursors import Position, read_cursor, write_cursor

FEED = "9a09e694-c28b-424f-84ed-ec496ad78734.5eed"
AT_A_TIME = 256


class MemoryFeed:
    """Fills `services.storage.ports.Feed`."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.forgotten = 0
        """Number of the last change that is kept no more."""
        self.feed_id: str | None = FEED
        """None: there is no feed."""
        self._more = asyncio.Condition()

    def add(self, kind: ChangeKind, subject: FileAttributes | Destroyed | ModeChange) -> None:
        """It has happened."""
        plain = Change(len(self.changes) + 1, kind, None if isinstance(subject, ModeChange) else subject.file_id)
        match subject:
            case FileAttributes():
                self.changes.append(replace(plain, file=subject))
            case Destroyed():
                self.changes.append(replace(plain, destroyed=subject))
            case ModeChange():
                self.changes.append(replace(plain, mode=subject))

    async def wake(self) -> None:
        """Tell those who wait."""
        async with self._more:
            self._more.notify_all()

    @property
    def position(self) -> FeedPosition | None:
        return None if self.feed_id is None else FeedPosition(self.feed_id, len(self.changes))

    async def follow(self, since: FeedPosition | None) -> MemoryFollowing:
        present = self.position
        assert present is not None, "there is no feed"
        since = since or present
        if since.feed_id != self.feed_id or not self.forgotten <= since.number <= present.number:
            raise FeedReset("list everything and begin anew")
        return MemoryFollowing(self, since)

    async def destroyed(self, cursor: str, limit: int) -> DestroyedPage:
        lines = [each.destroyed for each in self.changes if each.destroyed is not None]
        places = [Position(round(each.destroyed_at.timestamp() * 1000), each.file_id) for each in lines]
        first = places.index(read_cursor(cursor)) + 1 if cursor else 0
        last = first + limit
        return DestroyedPage(tuple(lines[first:last]), write_cursor(places[last - 1]) if last < len(lines) else "")

    async def more(self, number: int, within: float) -> None:
        """Wait for a change after `number`."""
        async with self._more:
            try:
                async with asyncio.timeout(within):
                    await self._more.wait_for(lambda: len(self.changes) > number)
            except TimeoutError:
                return


class MemoryFollowing:
    """Fills `services.storage.ports.Following`."""

    def __init__(self, feed: MemoryFeed, position: FeedPosition) -> None:
        self._feed, self._position = feed, position

    @property
    def position(self) -> FeedPosition:
        return self._position

    async def read(self, *, within: float) -> list[Change]:
        if not self._feed.changes[self._position.number :]:
            await self._feed.more(self._position.number, within)
        if self._position.number < self._feed.forgotten:
            raise FeedReset("list everything and begin anew")
        changes = self._feed.changes[self._position.number :][:AT_A_TIME]
        if changes:
            self._position = replace(self._position, number=changes[-1].number)
        return changes
