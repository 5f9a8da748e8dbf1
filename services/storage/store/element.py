"""An open element: what any of its processes has, and what a leadership adds (`leading.py`)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.model.clock import Clock
from services.model.errors import ArtStoreError, StorageUnavailable
from services.storage.domain.modes import ModeState
from services.storage.domain.mounts import mount_of
from services.storage.store import leadership
from services.storage.store.candidate import Candidate
from services.storage.store.charge import Charge
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import Folders, sync_folder
from services.storage.store.feed import ElementFeed
from services.storage.store.files import ElementFiles, Parts
from services.storage.store.following import Following
from services.storage.store.fs import FileSystem
from services.storage.store.gcfile import GcFile
from services.storage.store.health import WriteHealth
from services.storage.store.identity import ElementFile, check_before_lock, read_or_make, still_there
from services.storage.store.index import Index, known_element
from services.storage.store.keeping import ElementKeeping
from services.storage.store.layout import Layout
from services.storage.store.leading import FIRST_MODE_BY, claim, take_charge
from services.storage.store.lookup import Lookup
from services.storage.store.modefile import ModeFile, read_mode
from services.storage.store.options import Options, Replicated
from services.storage.store.pool import Pool
from services.storage.store.rebuild import Rebuild
from services.storage.store.refusal import ElementRefused
from services.storage.store.reserve import Reserve
from services.storage.store.scrubfile import ScrubFile
from services.storage.store.space import Space
from services.storage.store.survey import Survey
from services.storage.store.syncs import Syncs
from services.storage.store.texts import Texts
from services.storage.store.uploading import ElementUploads

MOUNTS = Path("/proc/self/mountinfo")
WRITE_THREADS = 16
"""A commit waits for the disk most of its time, and the disk takes many at once."""
READ_THREADS = 8
LEAD_THREADS = 4
"""One recovers, one beats, one may hang."""


@dataclass(frozen=True, slots=True)
class Element:
    """An open element."""

    identity: ElementFile
    modes: ModeFile
    collections: GcFile
    files: ElementFiles
    inspection: Survey
    keeping: ElementKeeping
    uploads: ElementUploads
    scrubbing: ScrubFile
    reconciliations: GcFile
    feed: ElementFeed
    rebuild: Rebuild
    following: Following
    candidate: Candidate | None
    """Of an element that several processes serve."""
    _parts: Parts
    _first_mode: ModeState

    @property
    def epoch(self) -> int:
        """Of the present leadership. Raises `StorageUnavailable` while this process does not lead."""
        return self._parts.charge.writing.epoch

    @property
    def mode(self) -> ModeState:
        """As it is kept on the disk, or will be. Raises `ElementRefused` if it cannot be trusted, `OSError`."""
        return read_mode(self._parts.fs, self._parts.layout) or self._first_mode

    async def check_wal(self) -> None:
        """Return unless this process leads and has stopped writing. Raises `StorageUnavailable` with the reason."""
        charge = self._parts.charge
        if charge.leading and not charge.health.writable:
            raise StorageUnavailable(f"stopped writing: {charge.health.reason}")

    async def check_filesystem(self) -> None:
        """Return if the directory is there. Raises `StorageUnavailable` with the reason."""
        parts = self._parts
        if not await parts.reads.run(still_there, parts.fs, parts.layout, self.identity):
            raise StorageUnavailable("element.json is gone or another one: is the file system mounted?")

    async def keep_reserve(self) -> None:
        """Make what is given up on a full disk whole again, if there is room for it."""
        parts = self._parts
        if parts.charge.health.writable:
            await parts.writes.run(parts.reserve.refill)

    async def check_index(self) -> None:
        """Return if the index is complete. Raises `StorageUnavailable`, which says how far it is."""
        if not self._parts.index.complete:
            found = self.rebuild.found
            raise StorageUnavailable(f"the index is being made: {found.files if found else 0} files so far")


@contextmanager
def open_element(options: Options, *, clock: Clock, fs: FileSystem | None = None) -> Iterator[Element]:
    """Open an element; closed on leaving, when nothing is under way any more. Call it inside the running loop.

    `fs`: another file system, for tests. Raises `ElementRefused` if the directory must not be served as it is.
    """
    with contextlib.ExitStack() as stack:
        try:
            element = _open(options, clock, fs or FileSystem(), stack)
        except (OSError, ArtStoreError) as error:
            raise ElementRefused(f"{options.data_dir} cannot be used: {error.__cause__ or error}") from error
        except sqlite3.Error as error:
            raise ElementRefused(f"SE_INDEX_DIR ({options.index_dir}) cannot be used: {error}") from error
        yield element


def _open(options: Options, clock: Clock, fs: FileSystem, stack: contextlib.ExitStack) -> Element:
    layout = Layout(options.data_dir)
    _check_index_folder(options)
    _check_mounts(options)
    known = known_element(options.index_dir)
    if options.init:
        _make_root(fs, layout.root)
    check_before_lock(fs, layout, init=options.init, known=known)
    if options.replicated is not None:
        return _one_of_several(options, options.replicated, clock, fs, stack)
    stack.enter_context(leadership.locked(fs, layout))
    identity = read_or_make(
        fs, layout, options.storage_id, init=options.init, known=known, now=clock.now(),
        new_identity=options.new_identity,
    )  # fmt: skip
    parts = _parts(options, fs, layout, stack)
    epoch = leadership.latest_epoch(fs, layout) + 1
    claim(parts, epoch, clock)
    writing = take_charge(parts, identity, options, clock, epoch, WriteHealth())
    stack.callback(writing.close)
    parts.charge.take(writing)
    return _element(identity, parts, options, clock, None)


def _one_of_several(
    options: Options, own: Replicated, clock: Clock, fs: FileSystem, stack: contextlib.ExitStack
) -> Element:
    """Opened for reading; it leads only once it has been elected."""
    layout = Layout(options.data_dir)
    known = known_element(options.index_dir)
    with contextlib.ExitStack() as making:
        if not fs.exists(layout.element):
            making.enter_context(leadership.locked(fs, layout))
        identity = read_or_make(fs, layout, options.storage_id, init=options.init, known=known, now=clock.now())
    if identity.element_uuid == options.new_identity:
        raise ElementRefused("SE_NEW_IDENTITY: let one process make this start, with SE_REPLICA_MODE=standalone")
    options.index_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    own_index = leadership.try_lock(FileSystem(), options.index_dir / "lock")
    if own_index is None:
        raise ElementRefused(f"another process uses {options.index_dir}: each needs an SE_INDEX_DIR of its own")
    stack.callback(FileSystem().close, own_index)
    parts = _parts(options, fs, layout, stack)
    pool = Pool("lead", LEAD_THREADS)
    stack.callback(pool.close)
    return _element(identity, parts, options, clock, Candidate(parts, identity, options, own, clock, pool))


def _element(
    identity: ElementFile, parts: Parts, options: Options, clock: Clock, candidate: Candidate | None
) -> Element:
    rebuild = Rebuild(
        fs=parts.fs, layout=parts.layout, charge=parts.charge, index=parts.index,
        documents=DocumentFiles(parts.fs, parts.layout), destroyed=parts.destroyed, clock=clock, pool=parts.reads,
    )  # fmt: skip
    modes = ModeFile(parts.charge, reserve=parts.reserve, writes=parts.writes)
    first = ModeState(mode=options.mode, revision=0, changed_at=clock.now(), changed_by=FIRST_MODE_BY)
    following = Following(parts, identity)
    files = ElementFiles(parts)
    return Element(
        identity=identity,
        modes=modes,
        collections=GcFile(parts.charge, parts.layout.gc, reserve=parts.reserve, writes=parts.writes),
        files=files,
        inspection=Survey(parts),
        keeping=ElementKeeping(parts, files.locks),
        uploads=ElementUploads(parts.charge, locks=files.locks, writes=parts.writes),
        scrubbing=ScrubFile(parts),
        reconciliations=GcFile(parts.charge, parts.layout.reconcile, reserve=parts.reserve, writes=parts.writes),
        feed=ElementFeed(parts, following),
        rebuild=rebuild,
        following=following,
        candidate=candidate,
        _parts=parts,
        _first_mode=first,
    )


def _parts(options: Options, fs: FileSystem, layout: Layout, stack: contextlib.ExitStack) -> Parts:
    """What any process of the element has, whether it leads or not."""
    charge = Charge()
    folders = _make_rooms(fs, layout)
    reserve = Reserve(fs, layout, options.reserve)
    index = Index(options.index_dir, make_room=lambda: charge.leading and reserve.release())
    stack.callback(index.close)
    destroyed = DestroyedLog(Disk(fs, layout, folders, charge.health))
    documents = DocumentFiles(fs, layout)
    reads, writes = Pool("read", READ_THREADS), Pool("write", WRITE_THREADS)
    syncs = Syncs(options.sync_threads)
    stack.callback(syncs.close)
    stack.callback(reads.close)
    stack.callback(writes.close)
    return Parts(
        fs=fs,
        layout=layout,
        folders=folders,
        charge=charge,
        index=index,
        lookup=Lookup(index, documents, destroyed),
        texts=Texts(fs, layout, documents),
        destroyed=destroyed,
        space=Space(
            fs,
            layout,
            keep_free=options.min_free_space,
            limit=options.capacity,
            used=lambda: index.usage.used,
            lacking=lambda: reserve.missing,
        ),
        reserve=reserve,
        reads=reads,
        writes=writes,
        syncs=syncs,
    )


def _check_index_folder(options: Options) -> None:
    data, index = options.data_dir.resolve(), options.index_dir.resolve()
    if index == data or data in index.parents:
        raise ElementRefused(
            f"SE_INDEX_DIR ({index}) lies in SE_DATA_DIR: it is local to one process, the data may not be"
        )


def _check_mounts(options: Options) -> None:
    try:
        table = MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return  # no Linux: nothing is known
    data, index = (mount_of(str(each.resolve()), table) for each in (options.data_dir, options.index_dir))
    if data is not None and data.local_locks:
        raise ElementRefused(
            f"{data.point} is mounted with {data.local_locks}: locks there would hold on this machine only"
        )
    if options.replicated is not None and index is not None and index.network:
        raise ElementRefused(f"SE_INDEX_DIR ({options.index_dir}) lies on a network mount ({index.kind}): it must not")


def _make_root(fs: FileSystem, root: Path) -> None:
    missing = [folder for folder in (root, *root.parents) if not fs.exists(folder)]
    for folder in reversed(missing):
        fs.mkdir(folder)
        sync_folder(fs, folder.parent)


def _make_rooms(fs: FileSystem, layout: Layout) -> Folders:
    rooms = (layout.epochs, layout.files, layout.incoming, layout.uploads, layout.quarantine, layout.destroyed)
    folders = Folders(fs, layout.root)
    for room in rooms:
        folders.ensure(room)
    if len({fs.device(room) for room in rooms}) != 1:
        raise ElementRefused(f"the folders in {layout.root} lie on different file systems: nothing could be renamed")
    return folders
