"""Steps 1 to 7 of the commit protocol for several small files at once; see the head of this package.

The order is the protocol's for each file. They share a job, the frames of the journal in which they begin and are
committed, and one fsync for each folder; all are written before the first is synced, and then all are synced at once,
so that a file system that journals has one transaction to write and not one for each, and the disk one flush. The index
is asked once whether their ids are free, and their room is kept in one piece if it is there. Nothing else is shared: a
file that fails on its way is left behind with its own error, and the others go on.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.model.errors import ArtStoreError, StorageFull
from services.model.files import FileAttributes
from services.model.ids import FileId
from services.storage.domain.documents import Document, encode
from services.storage.ports import Bytes
from services.storage.store.commits import Commits
from services.storage.store.disk import Disk
from services.storage.store.durable import SyncNames, open_folder, write_all
from services.storage.store.fs import CREATE
from services.storage.store.lookup import Lookup
from services.storage.store.space import Space
from services.storage.store.syncs import Syncs
from services.storage.store.wal.journal import Journal


@dataclass(eq=False, slots=True)
class SmallFile:
    """One on its way in, and what became of it."""

    file_id: FileId
    content: Bytes
    decide: Callable[[str], FileAttributes]
    """Its attributes, from its SHA-256; what it raises is the file's error."""
    document: Document | None = None
    error: BaseException | None = None
    """Exactly one of the two is there in the end."""

    @property
    def outcome(self) -> FileAttributes | BaseException:
        """What became of it."""
        if self.error is not None:
            return self.error
        assert self.document is not None, "a file of a batch has neither document nor error"
        return self.document.attributes


@dataclass(eq=False, slots=True)
class _Going:
    """A file that is new, and has not failed so far."""

    file: SmallFile
    document: Document
    part: Path
    prepared: Path
    """Its attributes, beside the part."""
    tx: int = 0
    promised: int = 0
    taken: bool = False
    open: list[int] = field(default_factory=list)
    """Descriptors of what is written and not yet synced."""


class BatchCommits:
    """Stores batches. In threads only: it waits for the disk."""

    def __init__(
        self, disk: Disk, *, journal: Journal, commits: Commits, lookup: Lookup, space: Space, syncs: Syncs
    ) -> None:
        self._fs, self._layout, self._health = disk.fs, disk.layout, disk.health
        self._journal, self._commits, self._lookup = journal, commits, lookup
        self._space, self._syncs = space, syncs

    def create(self, batch: Sequence[SmallFile]) -> None:
        """Store each file of a batch, or not: `document` and `error` say so. Whoever calls holds the lock of each."""
        going: list[_Going] = []
        free = self._lookup.unknown([each.file_id for each in batch])
        try:
            for file in batch:
                with _its_own_fault(file):
                    new = self._admit(file, free)
                    if new is not None:
                        going.append(new)
            self._promise_all(going)
            self._each(going, self._write)
            self._syncs.each(self._synced, _well(going))
            with contextlib.ExitStack() as held:
                folders = self._open_folders(going, held)
                self._begin(_well(going))
                self._each(going, lambda new: self._publish(new, folders[self._folder(new)]))
                self._sync_folders(_well(going), folders)
            self._commit(_well(going))
        finally:
            for each in going:
                self._leave(each)

    def _admit(self, file: SmallFile, free: Container[FileId]) -> _Going | None:
        """What is to be written of a file; None if it is there already. `free`: ids that nobody need be asked about."""
        attributes = file.decide(hashlib.sha256(file.content).hexdigest())
        if file.file_id not in free:
            file.document = self._commits.existing(attributes)
        if file.document is not None:
            return None
        with self._health.preparing():
            document = self._commits.named(attributes)
        temporary = self._commits.temporary
        return _Going(file, document, temporary(file.file_id, "part"), temporary(file.file_id, "attr.json"))

    def _promise_all(self, going: Sequence[_Going]) -> None:
        """Step 1 for all in one piece, if there is so much; else each sees for itself."""
        with contextlib.suppress(ArtStoreError), self._health.preparing():
            self._space.promise(sum(len(each.file.content) for each in going))
            for each in going:
                each.promised = len(each.file.content)

    def _write(self, new: _Going) -> None:
        """Steps 1 to 3, less the fsyncs."""
        text = encode(new.document)
        with self._health.preparing():
            if new.promised < len(new.file.content):
                self._space.promise(len(new.file.content))
                new.promised = len(new.file.content)
            for path, data in ((new.part, new.file.content), (new.prepared, text)):
                descriptor = self._fs.open(path, CREATE)
                new.open.append(descriptor)
                write_all(self._fs, descriptor, data)
            self._space.taken(new.promised)
            new.taken = True

    def _synced(self, new: _Going) -> None:
        """The fsyncs of steps 2 and 3."""
        with _its_own_fault(new.file), self._health.preparing():
            while new.open:
                self._fs.fsync(new.open[-1])
                self._fs.close(new.open.pop())

    def _open_folders(self, going: Sequence[_Going], held: contextlib.ExitStack) -> dict[Path, SyncNames]:
        """Each folder once, and what syncs it; whoever's cannot be opened has an error."""
        folders: dict[Path, SyncNames] = {}

        def open_its(new: _Going) -> None:
            folder = self._folder(new)
            if folder not in folders:
                with self._health.preparing():
                    folders[folder] = held.enter_context(open_folder(self._fs, folder))

        self._each(going, open_its)
        return folders

    def _folder(self, new: _Going) -> Path:
        return self._layout.folder(new.file.file_id)

    def _begin(self, going: Sequence[_Going]) -> None:
        """Step 4: durable when it returns, but for those that now have an error."""
        outcomes = self._journal.begin_creates([each.document for each in going]) if going else []
        for each, outcome in zip(going, outcomes, strict=True):
            if isinstance(outcome, int):
                each.tx = outcome
            else:
                each.file.error = outcome

    def _publish(self, new: _Going, sync: SyncNames) -> None:
        """Steps 5 and 6, less the fsync of the folder."""
        try:
            with self._health.committing():
                self._commits.publish(new.document, new.part, new.prepared, moved=lambda: None, sync=sync)
        except StorageFull:
            self._journal.abort(new.tx)
            raise

    def _sync_folders(self, going: Sequence[_Going], folders: Mapping[Path, SyncNames]) -> None:
        """The fsync of step 6, once for each folder. If one fails, nobody knows of any file in it."""
        for folder, sync in folders.items():
            inside = [each for each in going if self._folder(each) == folder]
            try:
                with self._health.committing():
                    sync()
            except Exception as error:  # noqa: BLE001 - told to each whose file lies there
                for each in inside:
                    each.file.error = error

    def _commit(self, going: Sequence[_Going]) -> None:
        """Step 7."""
        outcomes = self._journal.commit_creates([(each.tx, each.document) for each in going]) if going else []
        for each, error in zip(going, outcomes, strict=True):
            each.file.error = error
            each.file.document = each.document if error is None else None

    def _each(self, going: Sequence[_Going], step: Callable[[_Going], None]) -> None:
        for each in _well(going):
            with _its_own_fault(each.file):
                step(each)

    def _leave(self, each: _Going) -> None:
        """Give its room back; of a file that is certainly not stored, remove what lies among the temporaries."""
        for descriptor in each.open:
            with contextlib.suppress(OSError):
                self._fs.close(descriptor)
        if each.file.document is None and (not each.tx or isinstance(each.file.error, StorageFull)):
            for path in (each.part, each.prepared):
                with contextlib.suppress(OSError):  # never made, or it goes at the next start
                    self._fs.unlink(path)
        self._space.settle(each.promised, 0 if each.taken else each.promised)


def _well(going: Sequence[_Going]) -> list[_Going]:
    return [each for each in going if each.file.error is None]


@contextlib.contextmanager
def _its_own_fault(file: SmallFile) -> Iterator[None]:
    """Around what concerns one file of a batch: a failure is its own."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - raised to whoever waits for this file
        file.error = error
