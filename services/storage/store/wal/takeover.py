"""Taking over where the process before left off: read its journal, settle what is open, go on with one's own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import FileDamaged
from services.model.feed import Destroyed
from services.model.ids import ElementUuid
from services.storage.domain.documents import Document
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import sync_folder
from services.storage.store.identity import ElementFile
from services.storage.store.index import Index
from services.storage.store.leadership import latest_epoch
from services.storage.store.refusal import ElementRefused
from services.storage.store.wal import reading
from services.storage.store.wal.journal import Done, Journal, Origin
from services.storage.store.wal.kept import Kept, Source
from services.storage.store.wal.reading import History
from services.storage.store.wal.records import EPOCH_SHIFT, NO_FILE, Begin, Commit
from services.storage.store.wal.recovery import Recovery
from services.storage.store.wal.replay import replay
from services.storage.store.wal.segments import Segments
from services.storage.store.wal.tail import Tail

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Where the journal lies, and what to do with one that is damaged."""

    folder: Path
    segment_bytes: int
    reset: str
    """SE_WAL_RESET: the element whose damaged journal is to be set aside; empty: none."""
    retention: timedelta
    """For how long commits are kept at least, for those who follow the changes."""
    most: int = 0
    """In how many bytes beside what the journal needs; 0: in any."""
    restored: int = 0
    """SE_RESTORED: the newest epoch of a directory that was restored from a backup; 0: it was not."""


def take_over(
    disk: Disk, options: JournalOptions, *, index: Index, documents: DocumentFiles, identity: ElementFile, epoch: int,
    clock: Clock,
) -> tuple[Journal, Source]:  # fmt: skip
    """The journal of this epoch and what those need who follow it.

    Everything open is settled, the index up to date if it can be. If the old journals are damaged nothing is settled,
    and the element does not write. Raises `ElementRefused`, `OSError`.
    """
    segments = Segments(disk.fs, options.folder)
    _make_folder(disk, options.folder)
    element = identity.element_uuid
    _check_age(segments, disk, identity, options, epoch, clock)
    history = reading.read(segments, element, identity.cloned_from)
    if history.damage and options.reset:
        _set_aside(segments, options.reset, element, history, clock.now())
        history = History()
    reason = _begins_anew(history, options, element, index)
    if reason:
        log.warning("the change feed and the index begin anew", reason=reason)
    lineage = (None if reason else history.lineage) or secrets.token_hex(8)
    tail = Tail()
    journal = _journal(segments, disk, options, index, Origin(
        element, lineage, epoch, max(history.last, epoch - 1 << EPOCH_SHIFT), history.spent, history.number
    ), tail=tail, clock=clock)  # fmt: skip
    source = Source(f"{element}.{lineage}", tail, Kept(segments, lineage))
    if history.damage:
        index.resume(element, lineage, range(0))
        disk.health.stop(
            f"the journal is damaged ({history.damage}): files are served, nothing is written. To set the journal "
            f"aside and go on, start once with SE_WAL_RESET={element}"
        )
        return journal, source
    resolved = Recovery(disk, documents).settle(history)
    _take_back(index, documents, [begin for begin, done in resolved if not done and begin.file_id != NO_FILE])
    commits = journal.start(resolved)
    index.resume(element, lineage, range(history.applied, history.last + 1))
    _replay(index, documents, DestroyedLog(disk), [*history.commits, *commits], journal.last)
    journal.checkpoint()
    return journal, source


def _journal(
    segments: Segments, disk: Disk, options: JournalOptions, index: Index, origin: Origin, *, tail: Tail, clock: Clock
) -> Journal:
    def durable(done: Sequence[Done]) -> None:
        if done:
            index.put(
                [each.subject for each in done if isinstance(each.subject, Document)],
                destroyed=[each.subject for each in done if isinstance(each.subject, Destroyed)],
                applied=done[-1].number,
            )

    return Journal(
        segments, disk.health, origin, size=options.segment_bytes, durable=durable, settled=index.settle,
        tail=tail, clock=clock, retention=options.retention, most=options.most,
    )  # fmt: skip


def _make_folder(disk: Disk, folder: Path) -> None:
    if folder.is_relative_to(disk.layout.root):
        disk.folders.ensure(folder)
        return
    with contextlib.suppress(FileExistsError):
        disk.fs.mkdir(folder)
    sync_folder(disk.fs, folder.parent)


def _check_age(
    segments: Segments, disk: Disk, identity: ElementFile, options: JournalOptions, epoch: int, clock: Clock
) -> None:
    """Raise `ElementRefused` if directory and journal are of different times, unless SE_RESTORED says why."""
    if options.restored >= epoch:
        raise ElementRefused(
            f"SE_RESTORED names epoch {options.restored}, but this directory has seen only {epoch - 1}: name the "
            "newest file in its .epochs"
        )
    claimed = latest_epoch(disk.fs, disk.layout)  # perhaps by somebody else meanwhile
    later = [each for each in segments.epochs() if each == epoch or each > claimed]
    if not later:
        return
    reading.require_own(segments, (identity.element_uuid, identity.cloned_from))
    if not options.restored:
        raise ElementRefused(
            f"the journal in {segments.root} is newer than the directory (epoch {later[-1]}, not {epoch - 1}). If "
            f"that was restored from a backup without the journal, start once with SE_RESTORED={epoch}"
        )
    aside = segments.set_aside(clock.now())
    log.warning("a journal newer than the restored directory was set aside", folder=str(aside))


def _begins_anew(history: History, options: JournalOptions, element: ElementUuid, index: Index) -> str:
    """Why numbers of the journal's history say nothing any more; empty if they do."""
    if history.element is not None and history.element != element:
        return "a copy is an element of its own"
    if history.epoch and options.restored >= history.epoch:
        return "the directory was restored from a backup"
    if index.ahead(element, history.lineage, history.last):
        return "the index knows of later changes: the directory has gone back in time"
    return ""


def _set_aside(segments: Segments, reset: str, element: ElementUuid, history: History, now: datetime) -> None:
    if reset != element:
        raise ElementRefused(f"SE_WAL_RESET names element {reset}, this is {element}: its journal stays where it is")
    aside = segments.set_aside(now)
    log.warning("the damaged journal was set aside", reason=history.damage, folder=str(aside))


def _take_back(index: Index, documents: DocumentFiles, undone: Sequence[Begin]) -> None:
    """Tell the index what became of changes that did not happen, durably, before the journal forgets them.

    It may know of one: somebody read the file after a failed fsync, and then a power cut took what had been read.
    """
    present: list[Document] = []
    for begin in undone:
        with contextlib.suppress(FileNotFoundError, FileDamaged):
            present.append(documents.read(begin.file_id, begin.name))
    if undone:
        index.put(present, gone=[begin.file_id for begin in undone])
        index.settle()


def _replay(
    index: Index, documents: DocumentFiles, log_of_destroyed: DestroyedLog, commits: Iterable[Commit], last: int
) -> None:
    """Bring an index that is complete up to date; one that is made anew finds everything on the disk."""
    missed = [each for each in commits if each.number > index.applied] if index.complete else []
    files = replay(index, documents, log_of_destroyed, missed, last)
    if files:
        log.info("the index was brought up to date from the journal", files=files)
