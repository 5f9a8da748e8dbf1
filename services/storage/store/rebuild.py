"""Making the index anew from the disk, folder by folder, while everything else goes on."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import FileDamaged
from services.model.feed import Destroyed
from services.storage.domain.documents import MAX_BYTES
from services.storage.domain.glance import glance
from services.storage.domain.names import (
    ATTRIBUTES_SUFFIX,
    attributes_filename,
    data_filename,
    file_id_in,
    file_id_of,
    ids_in,
)
from services.storage.domain.seal import CorruptDocument
from services.storage.domain.surveying import DEPTH
from services.storage.store.charge import Charge
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import open_folder
from services.storage.store.fs import FOLDER, FileSystem, Kind
from services.storage.store.index import Index
from services.storage.store.layout import Layout
from services.storage.store.pool import Pool, ended
from services.storage.store.rows import Columns, of_document, of_glance

PROGRESS_EVERY = 10.0
"""Seconds between two lines in the log."""
BATCH = 2000
"""Files that the index is told of at a time."""
AHEAD = 2
"""Batches that may wait to be noted: so many threads, too, that others read with."""
SHOWN = 20
"""Names of each kind of finding that are logged one by one."""

_SUFFIX = ATTRIBUTES_SUFFIX.encode()

log = get_logger(__name__)


@dataclass(slots=True)
class Found:
    """What a pass over the disk met."""

    files: int = 0
    damaged: int = 0
    """Attributes that cannot be trusted. They stay where they are, and are not served."""
    orphans: list[Path] = field(default_factory=list)
    """Data without attributes. They stay where they are: they could be somebody's document."""


class Rebuild:
    """One pass makes the index complete, if it is not."""

    def __init__(
        self, *, fs: FileSystem, layout: Layout, charge: Charge, index: Index, documents: DocumentFiles,
        destroyed: DestroyedLog, clock: Clock, pool: Pool, batch: int = BATCH,
    ) -> None:  # fmt: skip
        """`batch`: files that the index is told of at a time."""
        self._fs, self._layout, self._charge, self._index = fs, layout, charge, index
        self._documents, self._destroyed, self._clock, self._pool = documents, destroyed, clock, pool
        self._batch = batch
        self.found: Found | None = None
        """What the present pass, or the last one, has met."""

    async def __call__(self) -> Found | None:
        """What was found; None if the index is complete already.

        Raises `OSError` if the disk cannot be read, `StorageUnavailable` if a folder cannot be made durable; the index
        stays incomplete then, and the next pass begins anew.
        """
        if self._index.complete or not self._index.resumed:
            return None
        log.info("the index is made anew from the disk; reads by id and uploads work meanwhile")
        generation = await self._pool.run(self._index.clear)
        self.found = found = Found()
        destroyed = self._destroyed.lines()
        while lines := await self._pool.run(_some, destroyed):
            await self._pool.run(self._index.put_destroyed, lines)
        syncing = asyncio.create_task(self._make_durable())
        try:
            await self._fill(found)
            await syncing
        finally:
            syncing.cancel()
            await asyncio.wait({syncing})
        await self._pool.run(self._look_again, found)
        await self._pool.run(self._index.rebuilt, generation)
        log.info("the index is complete", files=found.files, damaged=found.damaged, orphans=len(found.orphans))
        return found

    async def _make_durable(self) -> None:
        """See to it that no name that is served once goes with a power cut.

        A process that died may have made names that are only in memory yet. It takes a few milliseconds a folder, in
        which the disk does nothing: the files are read meanwhile.
        """
        folders = self._folders(self._layout.files, DEPTH)
        while (folder := await self._pool.run(next, folders, None)) is not None:
            await self._pool.run(self._sync, folder[0])

    def _sync(self, folder: Path) -> None:
        health = self._charge.health
        if health.writable:  # where nothing is written any more, nothing can be promised, but what is there is served
            with open_folder(self._fs, folder) as sync, health.committing():
                sync()

    async def _fill(self, found: Found) -> None:
        """Tell the index of every file; it takes note of some while the next ones are read."""
        parts, logged = self._read(found), self._clock.monotonic()
        noting = deque[asyncio.Future[None]]()
        try:
            while (part := await self._pool.run(next, parts, None)) is not None:
                where, rows = part
                if len(noting) == AHEAD:
                    await ended(noting.popleft())
                noting.append(self._pool.start(self._index.fill, rows))
                found.files += len(rows)
                if self._clock.monotonic() - logged > PROGRESS_EVERY:
                    logged = self._clock.monotonic()
                    log.info("making the index", files=found.files, at=str(where.relative_to(self._layout.root)))
        finally:
            for each in noting:
                await ended(each)

    def _read(self, found: Found) -> Iterator[tuple[Path, list[Columns]]]:
        """Every file, a part at a time, and where it was."""
        rows: list[Columns] = []
        for hour, depth in self._folders(self._layout.files, DEPTH):
            if depth:
                continue
            with self._opened(hour) as folder:
                for names in self._fs.names(hour, self._batch):
                    self._look_through(folder, hour, names, rows, found)
                    if len(rows) >= self._batch:
                        yield hour, rows
                        rows = []
        yield self._layout.files, rows

    def _folders(self, folder: Path, depth: int) -> Iterator[tuple[Path, int]]:
        """A folder and those below it, the oldest hour first, each with how many levels lie below it."""
        yield folder, depth
        if depth:
            for name in sorted(each.name for each in self._fs.entries(folder) if each.kind is Kind.FOLDER):
                yield from self._folders(folder / name, depth - 1)

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[int]:
        descriptor = self._fs.open(folder, FOLDER)
        try:
            yield descriptor
        finally:
            self._fs.close(descriptor)

    def _look_through(self, folder: int, hour: Path, names: list[bytes], rows: list[Columns], found: Found) -> None:
        # The loop that a million files go through: what it does for each is all that making an index takes.
        first, end = ids_in(str(hour.relative_to(self._layout.files)))
        load, described = self._fs.load, set[bytes]()
        for name in names:
            if not name.endswith(_SUFFIX):
                continue
            described.add(data := name[: -len(_SUFFIX)])
            try:
                seen = glance(load(folder, name, MAX_BYTES))
            except (CorruptDocument, OSError):
                self._read_closely(os.fsdecode(name), rows, found)  # it may be a document nevertheless
                continue
            file_id, storage_filename = seen.file_id, seen.storage_filename
            if storage_filename.encode() == data and first <= file_id < end and file_id_of(storage_filename) == file_id:
                rows.append(of_glance(seen))
            else:
                self._read_closely(os.fsdecode(name), rows, found)
        others = [os.fsdecode(name) for name in names if not (name.endswith(_SUFFIX) or name in described)]
        found.orphans += [hour / name for name in others if not self._fs.exists(hour / attributes_filename(name))]

    def _read_closely(self, name: str, rows: list[Columns], found: Found) -> None:
        file_id = file_id_in(name)
        if file_id is None:
            found.damaged += 1
            log.error("attributes under a name that is not ours are left alone", name=name)
            return
        try:
            document = self._documents.read(file_id, data_filename(name))
        except FileDamaged:
            found.damaged += 1  # logged where it was seen
        except FileNotFoundError:
            log.warning("attributes vanished while they were read", name=name)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            found.damaged += 1  # one sector is bad, and no reason to know nothing of the others
            log.error("attributes cannot be read", name=name, reason=str(error))  # noqa: TRY400 - no fault of ours
        else:
            rows.append(of_document(document))

    def _look_again(self, found: Found) -> None:
        """An upload that was committed meanwhile had its data in place for a moment before its attributes."""
        found.orphans = [
            each
            for each in found.orphans
            if self._fs.exists(each) and not self._fs.exists(each.with_name(attributes_filename(each.name)))
        ]
        for each in found.orphans[:SHOWN]:
            log.warning("data without attributes is left alone", path=str(each.relative_to(self._layout.files)))


def _some(lines: Iterator[Destroyed]) -> list[Destroyed]:
    return list(islice(lines, BATCH))
