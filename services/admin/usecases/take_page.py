"""Make the registry's rows of a stretch of an element's files what a page of its listing says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.admin.domain.elements import ElementRecord
from services.admin.domain.registry import Entry, ended_as
from services.admin.domain.sync import Comparison, Known, Place, Standing, Tally, compare, standing
from services.admin.ports import ElementPeer, FileRegistry
from services.admin.usecases.ask_again import AskAgain
from services.admin.usecases.fit import fit
from services.chassis.logs import get_logger
from services.model.feed import FileListing
from services.model.files import FileStatus
from services.model.ids import FileId

AT_ONCE = 2
"""Pages whose rows are compared and written at the same time, of all syncs of this process. Each keeps one core of
PostgreSQL busy for a moment: others have the rest of the connections, and of the cores."""

log = get_logger(__name__)


@dataclass(slots=True)
class Taken:
    """What came of a page."""

    tally: Tally = field(default_factory=Tally)
    gone: list[tuple[FileId, int]] = field(default_factory=list)
    """Files that the element knows nothing of, with the revision of their rows; not marked yet."""


class TakePage:
    """Pages may be taken side by side, and again.

    A row is written only if the later revision wins, or if nobody has written it since the disk was asked about it.
    """

    def __init__(self, *, registry: FileRegistry, peer: ElementPeer) -> None:
        self._registry = registry
        self._again = AskAgain(peer)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __call__(
        self, record: ElementRecord, page: FileListing, after: Place | None, until: Place | None, *, back: bool
    ) -> Taken:
        """`after`, `until`: where the page begins (exclusive) and ends; `back`: the disk may have gone back in time.

        Raises `StorageUnavailable`, `DeadlineExceeded` when the element cannot tell of single files now.
        """
        taken = Taken()
        async with self._room:
            ids = [file.file_id for file in page.items]
            rows = await self._registry.stretch(record.element_id, ids, after, until)
            found = compare(record.element_id, page.items, rows)
            await self._write(found, taken.tally)
        await self._ask_for(record, found.absent, taken)
        await self._settle(record, found.doubtful, taken.tally, back=back)
        taken.tally.listed += len(page.items)
        return taken

    async def _write(self, found: Comparison, tally: Tally) -> None:
        new, newer = fit(found.new), fit(found.newer)
        if new:
            await self._registry.add(new)
        if newer:
            await self._registry.bring(newer)
        tally.added += len(new)
        tally.updated += len(newer)
        tally.unfit += len(found.new) + len(found.newer) - len(new) - len(newer)
        tally.unchanged += found.same
        tally.expected += found.expected
        tally.elsewhere += len(found.elsewhere)
        tally.tell("elsewhere", found.elsewhere)

    async def _ask_for(self, record: ElementRecord, absent: Sequence[Known], taken: Taken) -> None:
        """What is not listed: it may have come since, have ended and been destroyed, or be missing."""
        answers = await self._again(record.address, absent)
        found = [Entry(record.element_id, file) for file in answers.files]
        if found:
            taken.tally.updated += await self._registry.bring(fit(found))
        await self._mark_ended(record, answers.ended, taken.tally)
        taken.tally.unreadable += len(answers.unreadable)
        taken.tally.tell("unreadable", answers.unreadable)
        taken.gone = [(row.file_id, row.revision) for row in answers.gone]

    async def _mark_ended(self, record: ElementRecord, ended: Mapping[FileId, FileStatus], tally: Tally) -> None:
        """The element has destroyed them: the rows say what they said, and that it is over."""
        for file_id, status in ended.items():
            located = await self._registry.find(file_id)
            if located is not None and located.file.status is not status:
                await self._registry.bring([Entry(record.element_id, ended_as(located.file, status))])
        tally.ended += len(ended)

    async def _settle(self, record: ElementRecord, doubtful: Sequence[Known], tally: Tally, *, back: bool) -> None:
        """Believe the disk, if it says again what the rows do not; a row may only have become younger than the page.

        Of an earlier revision that is believed where the disk may have gone back in time.
        """
        answers = await self._again(record.address, doubtful)
        rows = {row.file_id: row for row in doubtful}
        found: dict[Standing, list[Entry]] = {each: [] for each in Standing}
        for entry in fit([Entry(record.element_id, file) for file in answers.files]):
            found[standing(entry, rows[entry.file.file_id])].append(entry)
        tally.unchanged += len(found[Standing.SAME])
        tally.older += len(found[Standing.EARLIER])
        tally.tell("older", _ids(found[Standing.EARLIER]))
        tally.differing += len(found[Standing.OTHER])
        tally.tell("differing", _ids(found[Standing.OTHER]))
        believed = [*found[Standing.OTHER], *(found[Standing.EARLIER] if back else ())]
        if believed:
            log.warning("the registry takes back what it knew: a disk has gone another way",
                        storage_id=record.info.storage_id, files=len(believed))  # fmt: skip
            tally.updated += await self._registry.overrule(believed, rows)
        if found[Standing.LATER]:
            tally.updated += await self._registry.bring(found[Standing.LATER])


def _ids(entries: Sequence[Entry]) -> list[FileId]:
    return [entry.file.file_id for entry in entries]
