"""Steps 3 to 7 of the commit protocol; see the head of this package.

`create` and `change` are one job of a thread each; whoever starts it holds the file's lock.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from services.model.errors import ArtStoreError, Conflict, StorageFull
from services.model.feed import ChangeKind
from services.model.files import FileAttributes, JsonObject
from services.model.ids import FileId
from services.storage.domain.changes import Decision
from services.storage.domain.documents import Document, encode
from services.storage.domain.feed import kind_of
from services.storage.domain.names import attributes_filename, storage_filename
from services.storage.store.disk import Disk
from services.storage.store.durable import SyncNames, forget, open_folder, write_file
from services.storage.store.health import FULL, full
from services.storage.store.lookup import Lookup
from services.storage.store.wal.journal import Journal
from services.storage.store.wal.records import Op


class Commits:
    """Makes changes visible and durable."""

    def __init__(self, disk: Disk, *, journal: Journal, lookup: Lookup, epoch: int) -> None:
        self._fs, self._layout, self._folders, self._health = disk.fs, disk.layout, disk.folders, disk.health
        self._journal, self._lookup, self._epoch = journal, lookup, epoch
        self._temporaries = disk.layout.temporaries(epoch)
        self._numbers = itertools.count(1)

    def temporary(self, file_id: FileId, suffix: str) -> Path:
        """A name that nobody has, among the temporaries of this epoch: one file may come in twice at a time."""
        return self._temporaries / f"{file_id}.{next(self._numbers)}.{suffix}"

    def create(
        self, part: Path, attributes: FileAttributes, *, moved: Callable[[], None], unknown: JsonObject | None = None
    ) -> Document:
        """Make a new file of a finished part, or find that it is there already. Raises as `Incoming.commit`.

        `moved` is called once the part has left its place. `unknown`: what else the attribute file says.
        """
        existing = self.existing(attributes)
        if existing is not None:
            return existing
        with self._health.preparing():
            document = replace(self.named(attributes), unknown=unknown or {})
            prepared = self._prepare(document)
        with self._transaction(Op.CREATE, document, old=0, prepared=prepared) as sync:
            self.publish(document, part, prepared, moved=moved, sync=sync)
            sync()
        return document

    def existing(self, attributes: FileAttributes) -> Document | None:
        """The file that has this id already, with the same content; None if the id is free. Raises `Conflict`."""
        existing = self._lookup.taken(attributes.file_id)
        return None if existing is None else _same(existing, attributes)

    def publish(
        self, document: Document, part: Path, prepared: Path, *, moved: Callable[[], None], sync: SyncNames
    ) -> None:
        """Steps 5 and 6 less the fsync of the folder, `sync`, which must follow. `moved` is told that the part is gone.

        If the disk is too full for a name, nothing has happened: raises `StorageFull`.
        """
        data = self._layout.data(document.attributes.file_id, document.storage_filename)
        self._move_in(part, data)
        moved()
        self._replace_attributes(prepared, document, created=data, sync=sync)

    def adopt(self, part: Path, found: Document) -> Document:
        """Make a file of content and attributes that exist already, as durable as a part is. Raises as `create`."""
        with self._health.preparing():
            named = self.named(found.attributes)
            document = replace(found, attributes=named.attributes, storage_filename=named.storage_filename)
            prepared = self._prepare(document)
        with self._transaction(Op.CREATE, document, old=0, prepared=prepared, kind=ChangeKind.RESTORED) as sync:
            self.publish(document, part, prepared, moved=lambda: None, sync=sync)
            sync()
        return document

    def change(self, file_id: FileId, decide: Decision) -> Document:
        """Replace a file's attributes. Raises as `Files.change`."""

        def decided(present: Document) -> Document:
            attributes = decide(present)
            return present if attributes is present.attributes else present.changed(attributes)

        return self.rewrite(file_id, decided)

    def rewrite(self, file_id: FileId, decide: Callable[[Document], Document]) -> Document:
        """Replace a file's document; the present one itself if `decide` returns it. Raises as `Files.change`."""
        present = self._lookup.find(file_id)
        wanted = decide(present)
        if wanted is present:
            return present
        document = replace(wanted, attributes=replace(wanted.attributes, epoch=self._epoch))
        with self._health.preparing():
            self._folders.ensure(self._layout.folder(file_id))
            prepared = self._prepare(document)
        kind = kind_of(present.attributes.status, wanted.attributes.status)
        old = present.attributes.revision
        with self._transaction(Op.UPDATE, document, old=old, prepared=prepared, kind=kind) as sync:
            self._replace_attributes(prepared, document, sync=sync)
            sync()
        return document

    @contextlib.contextmanager
    def _transaction(
        self, op: Op, document: Document, *, old: int, prepared: Path, kind: ChangeKind | None = None
    ) -> Iterator[SyncNames]:
        """`begin` is durable before what is done inside, `commit` when this is left; the index knows it then.

        It gives what syncs the file's folder. Inside, `StorageFull` means that all was undone: `prepared` goes, and the
        transaction with it.
        """
        with contextlib.ExitStack() as held:
            try:
                with self._health.preparing():
                    sync = held.enter_context(open_folder(self._fs, self._layout.folder(document.attributes.file_id)))
                tx = self._journal.begin(op, document, old=old, new=document.attributes.revision, kind=kind)
            except ArtStoreError:
                forget(self._fs, prepared)
                raise
            try:
                with self._health.committing():
                    yield sync
            except StorageFull:
                self._journal.abort(tx)
                forget(self._fs, prepared)
                raise
        self._journal.commit(tx, document)

    def named(self, attributes: FileAttributes) -> Document:
        """The document of a new file, under a name that is free: what lies there without us knowing it stays.

        Recovery relies on it: both names of a create that has begun are its own.
        """
        attributes = replace(attributes, epoch=self._epoch)
        folder = self._layout.folder(attributes.file_id)
        self._folders.ensure(folder)
        at = attributes.uploaded_at
        while True:
            name = storage_filename(
                attributes.original_filename, user=attributes.uploaded_by, at=at, file_id=attributes.file_id
            )
            if not self._fs.exists(folder / name) and not self._fs.exists(folder / attributes_filename(name)):
                return Document(attributes, name)
            at += timedelta(seconds=1)

    def _prepare(self, document: Document) -> Path:
        """Step 3: the new attributes, durable, beside the part."""
        path = self.temporary(document.attributes.file_id, "attr.json")
        write_file(self._fs, path, encode(document))
        return path

    def _move_in(self, part: Path, data: Path) -> None:
        """Step 5. If the disk is too full for the name, nothing has happened: raises `StorageFull`."""
        try:
            self._fs.rename(part, data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise full() from error

    def _replace_attributes(
        self, prepared: Path, document: Document, *, sync: SyncNames, created: Path | None = None
    ) -> None:
        """Step 6, less the fsync: the commit point. If the disk is too full for the name, what was `created` goes."""
        target = self._layout.attributes(document.attributes.file_id, document.storage_filename)
        try:
            self._fs.rename(prepared, target)
        except OSError as error:
            if error.errno not in FULL:
                raise
            if created is not None:
                self._fs.unlink(created)
                sync()
            raise full() from error


def _same(existing: Document, attributes: FileAttributes) -> Document:
    if (existing.attributes.size, existing.attributes.sha256) != (attributes.size, attributes.sha256):
        raise Conflict("another file has this id")
    return existing
