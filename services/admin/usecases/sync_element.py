"""Full sync: walk through all that an element holds, beside the rows that the registry has of it.

Only what differs is written, so that a sync that finds nothing writes nothing; and a row is written only if the later
revision wins, so that it may run beside uploads, the live feed and other syncs. Where the disk has gone another way
than its rows (it was restored from a backup) it is asked again and believed. What the element does not list is asked
for by its id, since a listing takes a while and proves nothing; only what it does not know then is missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.admin.domain.elements import ElementRecord, require_same
from services.admin.domain.feed import begun_anew
from services.admin.domain.operations import Task
from services.admin.domain.sync import MOST_GONE, Place, Tally, in_order, too_many_gone
from services.admin.ports import ElementPeer, ElementStore, FeedStore, FileRegistry
from services.admin.usecases.run_operations import Note
from services.admin.usecases.take_page import AT_ONCE, Taken, TakePage
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import ElementAddress
from services.model.errors import ConfirmationRequired, DeadlineExceeded, InternalError, NotFound, StorageUnavailable
from services.model.feed import FeedPosition, FileListing
from services.model.ids import FileId
from services.model.operations import Progress

NOTE_EVERY = 1.0
"""Seconds between two notes of where it stands."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Walk:
    """Where a sync stands."""

    record: ElementRecord
    force: bool
    cursor: str = ""
    place: Place | None = None
    tally: Tally = field(default_factory=Tally)
    gone: list[tuple[FileId, int]] = field(default_factory=list)
    """Files that the element knows nothing of, with the revision of their rows; not marked yet."""
    feed: FeedPosition | None = None
    """Where the element's feed stood before the first row."""
    followed: FeedPosition | None = None
    """Where it was followed when this began."""

    def go(self, step: _Step) -> None:
        """It stands after this page."""
        self.feed = step.page.position or self.feed
        self.cursor, self.place = step.page.next_cursor, step.until
        self.tally.add(step.taken.tally)
        self.gone += step.taken.gone

    def to_json(self) -> dict[str, Any]:
        place = [self.place.uploaded_at.isoformat(), self.place.file_id] if self.place else None
        return {
            "element_uuid": self.record.info.element_uuid,
            "cursor": self.cursor,
            "place": place,
            "tally": self.tally.to_json(),
            "gone": self.gone,
            "feed": [self.feed.feed_id, self.feed.number] if self.feed else None,
        }


@dataclass(frozen=True, slots=True)
class _Step:
    """A page, where it ends, and what came of it."""

    page: FileListing
    until: Place | None
    taken: Taken


class SyncElement:
    """Makes the registry's rows of one element what the element holds."""

    def __init__(
        self,
        *,
        elements: ElementStore,
        registry: FileRegistry,
        feeds: FeedStore,
        peer: ElementPeer,
        clock: Clock,
        note_every: float = NOTE_EVERY,
    ) -> None:
        self._note_every = note_every
        self._elements = elements
        self._registry = registry
        self._feeds = feeds
        self._peer = peer
        self._clock = clock
        self._take = TakePage(registry=registry, peer=peer)

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return what was found. Goes on where an earlier attempt stood, if that was on the same directory.

        Raises `NotFound`, `StorageUnavailable`, and `ConfirmationRequired` when more has gone than can be believed:
        then nothing is marked missing, and the element counts as degraded.
        """
        record = await self._elements.get(task.operation.element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        walk = _resumed(record, task)
        walk.followed = await self._feeds.position(record.element_id)
        try:
            await self._require_same(record)
            await self._walk(walk, note)
            await self._require_same(record)  # before anything is called missing: the same directory all the time?
        except DeadlineExceeded:
            raise StorageUnavailable("the storage element does not answer in time") from None
        await self._mark_gone(walk)
        if walk.feed is not None:  # what has changed since then is told by the feed
            await self._feeds.begin(record.element_id, walk.feed)
        await self._elements.synced(record.element_id, self._clock.now())
        await note(Progress(walk.tally.listed, walk.tally.listed), walk.to_json())
        return walk.tally.to_json()

    async def _require_same(self, record: ElementRecord) -> None:
        require_same(record, await self._peer.info(record.address))

    async def _walk(self, walk: _Walk, note: Note) -> None:
        clock = asyncio.get_running_loop().time
        noted = clock()
        async with aclosing(self._steps(walk)) as steps:
            async for step in steps:
                walk.go(step)
                await self._believe(walk)
                if step.page.has_more and clock() - noted >= self._note_every:
                    noted = clock()
                    await note(Progress(walk.tally.listed, max(step.page.total, walk.tally.listed)), walk.to_json())

    async def _steps(self, walk: _Walk) -> AsyncGenerator[_Step, None]:
        """The pages from where it stands, in order, each once it is taken; the next ones are being taken meanwhile."""
        begun: deque[tuple[FileListing, Place | None, asyncio.Task[Taken]]] = deque()
        try:
            async with aclosing(self._pages(walk.record.address, walk.cursor)) as pages:
                after, feed = walk.place, walk.feed
                async for page in pages:
                    until, feed = _end_of(page, after), page.position or feed
                    back = walk.force or begun_anew(walk.followed, feed)
                    take = self._take(walk.record, page, after, until, back=back)
                    begun.append((page, until, asyncio.create_task(take)))
                    after = until
                    while len(begun) == AT_ONCE or (begun and not page.has_more):
                        page_taken, place, task = begun[0]
                        yield _Step(page_taken, place, await task)
                        begun.popleft()
        finally:
            for _, _, task in begun:
                task.cancel()
            await asyncio.gather(*(task for _, _, task in begun), return_exceptions=True)

    async def _pages(self, address: ElementAddress, cursor: str) -> AsyncGenerator[FileListing, None]:
        """The element reads its disk for the next page while this one is being taken."""
        coming = asyncio.create_task(self._peer.list_files(address, cursor))
        try:
            while (page := await coming).has_more:
                coming = asyncio.create_task(self._peer.list_files(address, page.next_cursor))
                yield page
            yield page
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _believe(self, walk: _Walk) -> None:
        """What has gone so far: that of a forced sync is marked at once, and no other takes more than can be true."""
        if walk.force:
            await self._mark_gone(walk)
        elif len(walk.gone) > MOST_GONE:
            await self._refuse(walk)

    async def _mark_gone(self, walk: _Walk) -> None:
        if not walk.force and too_many_gone(len(walk.gone), walk.tally.expected):
            await self._refuse(walk)
        if walk.gone:
            marked = await self._registry.mark_gone(walk.record.element_id, walk.gone)
            log.warning("files are missing on their element", storage_id=walk.record.info.storage_id, files=marked)
            walk.tally.missing += marked
            walk.tally.tell("missing", [file_id for file_id, _ in walk.gone])
            walk.gone = []

    async def _refuse(self, walk: _Walk) -> None:
        gone, storage_id = len(walk.gone), walk.record.info.storage_id
        text = f"a sync found {gone} or more of its files gone, and stopped: sync with force if that is right"
        await self._elements.complain(walk.record.element_id, text, self._clock.now())
        log.error("a sync stopped: too many files have gone", storage_id=storage_id, gone=gone,
                  expected=walk.tally.expected)  # fmt: skip
        raise ConfirmationRequired(
            f"{gone} or more files that the registry knows are gone from {storage_id}; nothing was marked missing. "
            "See whether its disk is whole; if that is right, sync with force"
        )


def _end_of(page: FileListing, after: Place | None) -> Place | None:
    """Where the page ends; None: where all files do. Raises `InternalError` unless it goes on after `after`."""
    if not in_order(page.items, after) or (page.has_more and not page.items):
        raise InternalError("the storage element lists its files in no order")
    last = page.items[-1] if page.has_more else None
    return Place(last.uploaded_at, last.file_id) if last else None


def _resumed(record: ElementRecord, task: Task) -> _Walk:
    """From the beginning, or from where an earlier attempt stood."""
    memory, force = task.memory, bool(task.arguments.get("force"))
    if memory.get("element_uuid") != record.info.element_uuid:
        return _Walk(record, force)
    place = memory["place"]
    return _Walk(
        record,
        force,
        cursor=memory["cursor"],
        place=Place(datetime.fromisoformat(place[0]), FileId(place[1])) if place else None,
        tally=Tally.from_json(memory["tally"]),
        gone=[(FileId(file_id), revision) for file_id, revision in memory["gone"]],
        feed=FeedPosition(*memory["feed"]) if memory["feed"] else None,
    )
