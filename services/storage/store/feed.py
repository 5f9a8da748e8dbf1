"""The change feed: the journal's commits, told to those who follow them.

It has no form of its own. What the journal needs no more is kept for SE_FEED_RETENTION, in SE_FEED_MAX_SIZE at most,
whole segments at a time, so that the feed outlives restarts and the one who wrote it, and is exactly as durable as the
changes themselves. A commit says which file changed and how; what the file is now is read from the disk when the change
is told. The latest changes are at hand in memory, as they were made.

Whoever follows asks for some changes at a time and keeps nothing waiting: if he is slow, those in memory go on without
him, and he reads the journal until he is near again.

The feed's id is the element's uuid and the journal's lineage: where the journal was lost or set aside nobody can say
what happened since a number, and the feed begins anew under another id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from services.model.errors import FeedReset, StorageUnavailable
from services.model.feed import Change, ChangeKind, Destroyed, DestroyedPage, FeedPosition, ModeChange
from services.model.ids import FileId
from services.storage.domain.modes import mode_change
from services.storage.store.cursors import Position, read_cursor, write_cursor
from services.storage.store.files import Parts
from services.storage.store.following import Following
from services.storage.store.health import reading
from services.storage.store.index import IndexFailed
from services.storage.store.modefile import read_mode
from services.storage.store.refusal import ElementRefused
from services.storage.store.wal.kept import NotKept, Source, Spot
from services.storage.store.wal.records import Commit
from services.storage.store.wal.tail import End

AT_A_TIME: Final = 256
"""Changes; with 4 KiB of attributes each, 1 MiB."""

Found = TypeVar("Found")


class ElementFeed:
    """Fills `ports.Feed`."""

    def __init__(self, parts: Parts, following: Following) -> None:
        """`following`: what this process knows while it does not lead."""
        self._following = following
        self._charge, self._index, self._lookup, self._reads = parts.charge, parts.index, parts.lookup, parts.reads
        self._fs, self._layout = parts.fs, parts.layout

    @property
    def position(self) -> FeedPosition | None:
        if not self._charge.leading:
            return self._following.position
        source = self._charge.writing.source
        return None if source.tail.end is None else FeedPosition(source.feed_id, source.tail.end.number)

    async def follow(self, since: FeedPosition | None) -> Follower:
        source = self._charge.writing.source
        number = self.end(source).number
        if since is None:
            return Follower(self, source, number, None)
        if since.feed_id != source.feed_id:
            raise FeedReset("the feed is another one: list everything and begin anew")
        if since.number > number:
            raise FeedReset(f"change {since.number} is not known here: list everything and begin anew")
        known = source.tail.has(since.number)
        return Follower(self, source, since.number, None if known else await self.find(source, since.number))

    async def destroyed(self, cursor: str, limit: int) -> DestroyedPage:
        position = read_cursor(cursor) if cursor else None
        after = (position.uploaded_ms, position.file_id) if position else None
        rows = await self._reads.run(self._destroyed, after, limit + 1)
        shown = rows[:limit]
        more = write_cursor(Position(shown[-1][0], shown[-1][1].file_id)) if len(rows) > limit else ""
        return DestroyedPage(tuple(line for _, line in shown), more)

    async def forget(self) -> None:
        """Remove what is kept no more."""
        if self._charge.leading:
            await self._reads.run(self._charge.writing.journal.forget)

    def end(self, source: Source) -> End:
        """How far the changes go. Raises `StorageUnavailable` while they cannot be told."""
        if not self._charge.leading or self._charge.writing.source is not source:
            raise StorageUnavailable("the storage element has another leader: go on from the last change there")
        if source.tail.end is None:
            raise StorageUnavailable("the storage element's journal is damaged: it tells no changes")
        self._require_index()
        return source.tail.end

    async def find(self, source: Source, number: int) -> Spot:
        """Where the changes after `number` lie. Raises `FeedReset`."""
        end = self.end(source)
        return await self._reads.run(_kept, lambda: source.kept.find(number, end))

    async def read(self, source: Source, spot: Spot) -> tuple[list[Change], Spot]:
        """Some changes from there on, and where the next lie. Raises `FeedReset`."""
        return await self._reads.run(self._read, source, spot, self.end(source))

    def _read(self, source: Source, spot: Spot, end: End) -> tuple[list[Change], Spot]:
        commits, after = _kept(lambda: source.kept.read(spot, end, AT_A_TIME))
        return [self._change(each) for each in commits], after

    def _change(self, commit: Commit) -> Change:
        if commit.kind is ChangeKind.MODE_CHANGED:
            return Change(commit.number, commit.kind, None, mode=self._mode())
        if commit.kind is ChangeKind.PURGED:
            line = self._index.destroyed(commit.file_id)
            return Change(commit.number, commit.kind, commit.file_id, destroyed=line)
        document = self._lookup.named(commit.file_id, commit.name)
        file = None if document is None else document.attributes
        return Change(commit.number, commit.kind, commit.file_id, file=file)

    def _mode(self) -> ModeChange:
        try:
            state = read_mode(self._fs, self._layout)
        except ElementRefused as error:
            raise StorageUnavailable("the storage element's mode cannot be read") from error
        if state is None:
            raise StorageUnavailable("the storage element's directory is not there")
        return mode_change(state)

    def _destroyed(self, after: tuple[int, FileId] | None, limit: int) -> list[tuple[int, Destroyed]]:
        self._require_index()
        try:
            return self._index.destroyed_page(after, limit)
        except IndexFailed as error:
            raise StorageUnavailable("the storage element's index does not answer", retry_after=10) from error

    def _require_index(self) -> None:
        if not self._index.complete:
            raise StorageUnavailable("the storage element's index is being made; try again", retry_after=10)


class Follower:
    """Fills `ports.Following`."""

    def __init__(self, feed: ElementFeed, source: Source, number: int, spot: Spot | None) -> None:
        self._feed, self._source, self._number, self._spot = feed, source, number, spot

    @property
    def position(self) -> FeedPosition:
        return FeedPosition(self._source.feed_id, self._number)

    async def read(self, *, within: float) -> list[Change]:
        changes = await self._next()
        if not changes:
            await self._source.tail.newer(self._number, within)
            changes = await self._next()
        if changes:
            self._number = changes[-1].number
        return changes

    async def _next(self) -> list[Change]:
        self._feed.end(self._source)
        changes = self._source.tail.after(self._number, AT_A_TIME)
        if changes is not None:
            self._spot = None
            return changes
        spot = self._spot or await self._feed.find(self._source, self._number)
        changes, self._spot = await self._feed.read(self._source, spot)
        return changes


def _kept(read: Callable[[], Found]) -> Found:
    """What was read of the journal. Raises `FeedReset` if it is not kept, `StorageUnavailable` if it cannot be read."""
    try:
        with reading():
            return read()
    except NotKept as error:
        raise FeedReset(f"{error}: list everything and begin anew") from error
    except FileNotFoundError as error:
        raise StorageUnavailable("the storage element's journal is not there") from error
