"""Making the index anew from the disk, folder by folder, while everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import FileDamaged
from services.model.feed import Destroyed
from services.model.ids import FileId
from services.storage.domain.documents import MAX_BYTES
from services.storage.domain.glance import Glance, glance, glance_of
from services.storage.domain.names import (
    ATTRIBUTES_SUFFIX,
    attributes_filename,
    data_filename,
    file_id_in,
    folder_of,
)
from services.storage.domain.seal import CorruptDocument
from services.storage.store.charge import Charge
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.documents import DocumentFiles
from services.storage.store.fs import FOLDER, FileSystem, Kind
from services.storage.store.index import Index
from services.storage.store.layout import Layout
from services.storage.store.pool import Pool, ended

PROGRESS_EVERY = 10.0
"""Seconds between two lines in the log."""
BATCH = 2000
"""Files that the index is told of at a time."""
SHOWN = 20
"""Names of each kind of finding that are logged one by one."""

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
        await self._fill(found)
        await self._pool.run(self._look_again, found)
        await self._pool.run(self._index.rebuilt, generation)
        log.info("the index is complete", files=found.files, damaged=found.damaged, orphans=len(found.orphans))
        return found

    async def _fill(self, found: Found) -> None:
        """Tell the index of every file; it takes note of one part while the next one is read."""
        parts, logged = self._read(found), self._clock.monotonic()
        part = await self._pool.run(next, parts, None)
        while part is not None:
            where, glances = part
            noting = self._pool.start(self._index.fill, glances)
            try:
                part = await self._pool.run(next, parts, None)
            finally:
                await ended(noting)
            found.files += len(glances)
            if self._clock.monotonic() - logged > PROGRESS_EVERY:
                logged = self._clock.monotonic()
                log.info("making the index", files=found.files, at=str(where.relative_to(self._layout.root)))

    def _read(self, found: Found) -> Iterator[tuple[Path, list[Glance]]]:
        """Every file, a part at a time, and where it was."""
        glances: list[Glance] = []
        for hour in self._folders(self._layout.files, 4):
            with self._opened(hour) as folder:
                names = self._fs.names(hour)
                while part := list(islice(names, self._batch)):
                    self._look_through(folder, hour, part, glances, found)
                    if len(glances) >= self._batch:
                        yield hour, glances
                        glances = []
        yield self._layout.files, glances

    def _folders(self, root: Path, depth: int) -> Iterator[Path]:
        """The folders of hours, oldest first."""
        if depth == 0:
            yield root
            return
        with self._opened(root):
            entries = self._fs.entries(root)
        for name in sorted(each.name for each in entries if each.kind is Kind.FOLDER):
            yield from self._folders(root / name, depth - 1)

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[int]:
        descriptor = self._fs.open(folder, FOLDER)
        try:
            # A process that died may have made names that are only in memory yet. What is served once must last. (Where
            # nothing is written any more, nothing can be promised either, but what is there is served.)
            health = self._charge.health
            if health.writable:
                with health.committing():
                    self._fs.fsync(descriptor)
            yield descriptor
        finally:
            self._fs.close(descriptor)

    def _look_through(self, folder: int, hour: Path, names: list[str], glances: list[Glance], found: Found) -> None:
        together, place = set(names), str(hour.relative_to(self._layout.files))
        for name in names:
            if name.endswith(ATTRIBUTES_SUFFIX):
                seen = self._glance(folder, place, name, found)
                if seen is not None:
                    glances.append(seen)
            elif attributes_filename(name) not in together and not self._fs.exists(hour / attributes_filename(name)):
                found.orphans.append(hour / name)

    def _glance(self, folder: int, place: str, name: str, found: Found) -> Glance | None:
        file_id = file_id_in(name)
        if file_id is None:
            found.damaged += 1
            log.error("attributes under a name that is not ours are left alone", name=name)
            return None
        try:
            seen = glance(self._fs.load(folder, name, MAX_BYTES))
            if (seen.file_id, seen.storage_filename) == (file_id, data_filename(name)) and folder_of(file_id) == place:
                return seen
        except (CorruptDocument, OSError):
            pass  # read more closely, it may be a document nevertheless
        return self._read_closely(file_id, name, found)

    def _read_closely(self, file_id: FileId, name: str, found: Found) -> Glance | None:
        try:
            document = self._documents.read(file_id, data_filename(name))
        except FileDamaged:
            found.damaged += 1  # logged where it was seen
        except FileNotFoundError:
            log.warning("attributes vanished while they were read", name=name)
        else:
            return glance_of(document)
        return None

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
