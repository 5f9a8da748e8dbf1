"""Full sync: walk through all that an element holds, beside the rows that the registry has of it.

Only what differs is written, so that a sync that finds nothing writes nothing; and a row is written only if the later
revision wins, so that it may run beside uploads, the live feed and other syncs. What the element does not list is
asked for by its id, since a listing takes a while and proves nothing; only what it does not know then is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.admin.domain.elements import ElementRecord, require_same
from services.admin.domain.operations import Task
from services.admin.domain.registry import Entry, ended_as
from services.admin.domain.sync import MOST_GONE, Comparison, Known, Place, Tally, compare, in_order, too_many_gone
from services.admin.ports import ElementPeer, ElementStore, FeedStore, FileRegistry
from services.admin.usecases.ask_again import AskAgain
from services.admin.usecases.fit import fit
from services.admin.usecases.run_operations import Note
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import (
    ConfirmationRequired,
    DeadlineExceeded,
    InternalError,
    NotFound,
    StorageUnavailable,
)
from services.model.feed import FeedPosition, FileListing
from services.model.files import FileStatus
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
        self._again = AskAgain(peer)

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return what was found. Goes on where an earlier attempt stood, if that was on the same directory.

        Raises `NotFound`, `StorageUnavailable`, and `ConfirmationRequired` when more has gone than can be believed:
        then nothing is marked missing, and the element counts as degraded.
        """
        record = await self._elements.get(task.operation.element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        walk = _resumed(record, task)
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
        clock, address = asyncio.get_running_loop().time, walk.record.address
        noted = clock()
        coming = asyncio.create_task(self._peer.list_files(address, walk.cursor))
        try:
            while True:
                page = await coming
                if page.has_more:  # the element reads its disk while we write
                    coming = asyncio.create_task(self._peer.list_files(address, page.next_cursor))
                await self._take(walk, page)
                if not page.has_more:
                    return
                if clock() - noted >= self._note_every:
                    noted = clock()
                    await note(Progress(walk.tally.listed, max(page.total, walk.tally.listed)), walk.to_json())
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _take(self, walk: _Walk, page: FileListing) -> None:
        walk.feed = page.position or walk.feed
        if not in_order(page.items, walk.place) or (page.has_more and not page.items):
            raise InternalError("the storage element lists its files in no order")
        last = page.items[-1] if page.items else None
        until = Place(last.uploaded_at, last.file_id) if page.has_more and last else None
        rows = await self._registry.stretch(
            walk.record.element_id, [file.file_id for file in page.items], walk.place, until
        )
        found = compare(walk.record.element_id, page.items, rows)
        await self._write(walk, found)
        await self._ask_for(walk, found.absent)
        await self._look_at_older(walk, found.older)
        walk.tally.listed += len(page.items)
        walk.cursor, walk.place = page.next_cursor, until

    async def _write(self, walk: _Walk, found: Comparison) -> None:
        tally = walk.tally
        new, newer = fit(found.new), fit(found.newer)
        if new or newer:
            await self._registry.bring([*new, *newer])
        tally.added += len(new)
        tally.updated += len(newer)
        tally.unfit += len(found.new) + len(found.newer) - len(new) - len(newer)
        tally.unchanged += found.same
        tally.expected += found.expected
        tally.elsewhere += len(found.elsewhere)
        tally.tell("elsewhere", found.elsewhere)

    async def _ask_for(self, walk: _Walk, absent: Sequence[Known]) -> None:
        """What is not listed: it may have come since, have ended and been destroyed, or be missing."""
        answers = await self._again(walk.record.address, absent)
        found = [Entry(walk.record.element_id, file) for file in answers.files]
        if found:
            walk.tally.updated += await self._registry.bring(fit(found))
        await self._mark_ended(walk, answers.ended)
        walk.tally.unreadable += len(answers.unreadable)
        walk.tally.tell("unreadable", answers.unreadable)
        walk.gone += [(row.file_id, row.revision) for row in answers.gone]
        if walk.force:
            await self._mark_gone(walk)
        elif len(walk.gone) > MOST_GONE:
            await self._refuse(walk)

    async def _mark_ended(self, walk: _Walk, ended: Mapping[FileId, FileStatus]) -> None:
        """The element has destroyed them: the rows say what they said, and that it is over."""
        for file_id, status in ended.items():
            located = await self._registry.find(file_id)
            if located is not None and located.file.status is not status:
                await self._registry.bring([Entry(walk.record.element_id, ended_as(located.file, status))])
        walk.tally.ended += len(ended)

    async def _look_at_older(self, walk: _Walk, older: Sequence[Known]) -> None:
        """A row may have become younger since the page was made; else only who is told so believes the disk."""
        answers = await self._again(walk.record.address, older)
        known = {row.file_id: row for row in older}
        behind = [file for file in answers.files if file.revision < known[file.file_id].revision]
        walk.tally.older += len(behind)
        walk.tally.tell("older", [file.file_id for file in behind])
        if behind and walk.force:
            entries = fit([Entry(walk.record.element_id, file) for file in behind])
            walk.tally.updated += await self._registry.bring(entries, overruling=True)

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
