"""Opening an element, in the order that keeps it safe: lock, identity, epoch, fence, mode, index."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Mode
from services.model.errors import StorageUnavailable
from services.model.ids import StorageId, Subject
from services.storage.domain.modes import ModeOverride, ModeState, overridden
from services.storage.store import leadership
from services.storage.store.commits import Commits
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import Folders, sync_folder
from services.storage.store.files import ElementFiles, Parts
from services.storage.store.fs import FileSystem
from services.storage.store.gcfile import GcFile
from services.storage.store.health import WriteHealth
from services.storage.store.identity import ElementFile, check_before_lock, read_or_make, still_there
from services.storage.store.index import Index, known_element
from services.storage.store.layout import Layout
from services.storage.store.lookup import Lookup
from services.storage.store.modefile import ModeFile, read_mode, write_mode
from services.storage.store.pool import Pool
from services.storage.store.purging import Purging
from services.storage.store.rebuild import Rebuild
from services.storage.store.refusal import ElementRefused
from services.storage.store.space import Space
from services.storage.store.wal.journal import SEGMENT_BYTES, Journal
from services.storage.store.wal.takeover import JournalOptions, take_over

WRITE_THREADS = 16
"""A commit waits for the disk most of its time, and the disk takes many at once."""
READ_THREADS = 8
FIRST_MODE_BY = Subject("SE_MODE")
OVERRIDE_BY = Subject("SE_MODE_OVERRIDE")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What an element is opened with. Sizes in bytes."""

    storage_id: StorageId
    data_dir: Path
    index_dir: Path
    init: bool
    """Whether an empty directory may become a new element."""
    mode: Mode
    """Of a new element; counts only where no mode was kept."""
    min_free_space: int
    capacity: int
    """0: as much as the file system has."""
    mode_override: ModeOverride | None = None
    """The way out of `ar`; applies once."""
    wal_dir: Path | None = None
    """Where the journal lies; None: in the element's directory."""
    wal_reset: str = ""
    """The element whose damaged journal is to be set aside; empty: none."""
    wal_segment: int = SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class Element:
    """An open element."""

    identity: ElementFile
    epoch: int
    mode: ModeState
    modes: ModeFile
    collections: GcFile
    files: ElementFiles
    rebuild: Rebuild
    _parts: Parts

    async def check_filesystem(self) -> None:
        """Return if the directory is there and is written to. Raises `StorageUnavailable` with the reason."""
        parts = self._parts
        if not parts.health.writable:
            raise StorageUnavailable(f"stopped writing: {parts.health.reason}")
        if not await parts.reads.run(still_there, parts.fs, parts.layout, self.identity):
            raise StorageUnavailable("element.json is gone or another one: is the file system mounted?")

    async def check_index(self) -> None:
        """Return if the index is complete. Raises `StorageUnavailable`."""
        if not self._parts.index.complete:
            raise StorageUnavailable("the index is being made")


@contextmanager
def open_element(options: Options, *, clock: Clock, fs: FileSystem | None = None) -> Iterator[Element]:
    """Open an element; closed on leaving, when nothing is under way any more. Call it inside the running loop.

    `fs`: another file system, for tests. Raises `ElementRefused` if the directory must not be served as it is.
    """
    with contextlib.ExitStack() as stack:
        try:
            element = _open(options, clock, fs or FileSystem(), stack)
        except OSError as error:
            raise ElementRefused(f"{options.data_dir} cannot be used: {error}") from error
        except sqlite3.Error as error:
            raise ElementRefused(f"SE_INDEX_DIR ({options.index_dir}) cannot be used: {error}") from error
        yield element


def _open(options: Options, clock: Clock, fs: FileSystem, stack: contextlib.ExitStack) -> Element:
    layout = Layout(options.data_dir)
    _check_index_folder(options)
    known = known_element(options.index_dir)
    if options.init:
        _make_root(fs, layout.root)
    check_before_lock(fs, layout, init=options.init, known=known)
    stack.enter_context(leadership.locked(fs, layout))
    identity = read_or_make(fs, layout, options.storage_id, init=options.init, known=known, now=clock.now())
    disk = Disk(fs, layout, _make_rooms(fs, layout), WriteHealth())
    epoch = leadership.claim(fs, layout)
    leftovers = leadership.fence(fs, layout, epoch, clock.now())
    mode = _mode(fs, layout, epoch, options, clock)
    index = Index(options.index_dir)
    stack.callback(index.close)
    journal = take_over(
        disk, JournalOptions(options.wal_dir or layout.journal, options.wal_segment, options.wal_reset),
        index=index, documents=DocumentFiles(fs, layout), element=identity.element_uuid, epoch=epoch, now=clock.now(),
    )  # fmt: skip
    stack.callback(journal.close)
    parts = _parts(disk, index, journal, options, epoch, stack)
    log.info("element opened", storage_id=identity.storage_id, element_uuid=identity.element_uuid, epoch=epoch,
             mode=mode.mode, leftovers_removed=leftovers, index_complete=index.complete)  # fmt: skip
    rebuild = Rebuild(
        fs=fs, layout=layout, health=disk.health, index=index, documents=DocumentFiles(fs, layout),
        destroyed=DestroyedLog(disk), clock=clock, pool=parts.reads,
    )  # fmt: skip
    modes = ModeFile(disk, epoch=epoch, writes=parts.writes)
    collections = GcFile(disk, epoch=epoch, writes=parts.writes)
    return Element(identity, epoch, mode, modes, collections, ElementFiles(parts), rebuild, parts)


def _parts(
    disk: Disk, index: Index, journal: Journal, options: Options, epoch: int, stack: contextlib.ExitStack
) -> Parts:
    fs, layout, destroyed = disk.fs, disk.layout, DestroyedLog(disk)
    lookup = Lookup(index, DocumentFiles(fs, layout), destroyed)
    reads, writes = Pool("read", READ_THREADS), Pool("write", WRITE_THREADS)
    stack.callback(reads.close)
    stack.callback(writes.close)
    return Parts(
        fs=fs,
        layout=layout,
        health=disk.health,
        index=index,
        lookup=lookup,
        commits=Commits(disk, journal=journal, lookup=lookup, epoch=epoch),
        purging=Purging(disk, journal=journal, lookup=lookup, log=destroyed, epoch=epoch),
        space=Space(
            fs, layout, keep_free=options.min_free_space, limit=options.capacity, used=lambda: index.usage.used
        ),
        reads=reads,
        writes=writes,
    )


def _check_index_folder(options: Options) -> None:
    data, index = options.data_dir.resolve(), options.index_dir.resolve()
    if index == data or data in index.parents:
        raise ElementRefused(
            f"SE_INDEX_DIR ({index}) lies in SE_DATA_DIR: it is local to one process, the data may not be"
        )


def _make_root(fs: FileSystem, root: Path) -> None:
    missing = [folder for folder in (root, *root.parents) if not fs.exists(folder)]
    for folder in reversed(missing):
        fs.mkdir(folder)
        sync_folder(fs, folder.parent)


def _make_rooms(fs: FileSystem, layout: Layout) -> Folders:
    rooms = (layout.epochs, layout.files, layout.incoming, layout.quarantine, layout.destroyed)
    folders = Folders(fs, layout.root)
    for room in rooms:
        folders.ensure(room)
    if len({fs.device(room) for room in rooms}) != 1:
        raise ElementRefused(f"the folders in {layout.root} lie on different file systems: nothing could be renamed")
    return folders


def _mode(fs: FileSystem, layout: Layout, epoch: int, options: Options, clock: Clock) -> ModeState:
    kept = read_mode(fs, layout)
    if kept is None:
        kept = ModeState(mode=options.mode, revision=1, changed_at=clock.now(), changed_by=FIRST_MODE_BY)
        write_mode(fs, layout, layout.temporaries(epoch), kept)
    elif options.mode_override is not None:
        kept = _overridden(fs, layout, epoch, kept, options.mode_override, clock)
    if kept.mode is not options.mode:
        log.info("SE_MODE counts only for a new element", configured=options.mode, mode=kept.mode)
    return kept


def _overridden(
    fs: FileSystem, layout: Layout, epoch: int, kept: ModeState, override: ModeOverride, clock: Clock
) -> ModeState:
    after = overridden(kept, override, by=OVERRIDE_BY, at=clock.now())
    if after is None:
        log.info("SE_MODE_OVERRIDE does not apply", mode=kept.mode, revision=kept.revision, wanted=override.revision)
        return kept
    write_mode(fs, layout, layout.temporaries(epoch), after)
    log.warning("audit: the mode was changed", by=OVERRIDE_BY, at=after.changed_at.isoformat(), was=kept.mode,
                now=after.mode, revision=after.revision)  # fmt: skip
    return after
