"""Making the index anew from the disk, folder by folder, while everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import FileDamaged
from services.storage.domain.documents import Document
from services.storage.domain.names import ATTRIBUTES_SUFFIX, attributes_filename, data_filename, file_id_in
from services.storage.store.charge import Charge
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import sync_folder
from services.storage.store.fs import Entry, FileSystem, Kind
from services.storage.store.index import Index
from services.storage.store.layout import Layout
from services.storage.store.pool import Pool

PROGRESS_EVERY = 10.0
"""Seconds between two lines in the log."""
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
        destroyed: DestroyedLog, clock: Clock, pool: Pool,
    ) -> None:  # fmt: skip
        self._fs, self._layout, self._charge, self._index = fs, layout, charge, index
        self._documents, self._destroyed, self._clock, self._pool = documents, destroyed, clock, pool

    async def __call__(self) -> Found | None:
        """What was found; None if the index is complete already.

        Raises `OSError` if the disk cannot be read, `StorageUnavailable` if a folder cannot be made durable; the index
        stays incomplete then, and the next pass begins anew.
        """
        if self._index.complete:
            return None
        log.info("the index is made anew from the disk; reads by id and uploads work meanwhile")
        await self._pool.run(self._index.clear)
        await self._pool.run(lambda: self._index.put_destroyed(self._destroyed.lines()))
        found, logged = Found(), self._clock.monotonic()
        folders = self._folders(self._layout.files, 4)
        while (folder := await self._pool.run(next, folders, None)) is not None:
            await self._pool.run(self._read_folder, folder, found)
            if self._clock.monotonic() - logged > PROGRESS_EVERY:
                logged = self._clock.monotonic()
                log.info("making the index", files=found.files, folder=str(folder.relative_to(self._layout.files)))
        await self._pool.run(self._look_again, found)
        await self._pool.run(self._index.rebuilt)
        log.info("the index is complete", files=found.files, damaged=found.damaged, orphans=len(found.orphans))
        return found

    def _folders(self, root: Path, depth: int) -> Iterator[Path]:
        """The folders of hours, oldest first."""
        if depth == 0:
            yield root
            return
        for name in sorted(each.name for each in self._entries(root) if each.kind is Kind.FOLDER):
            yield from self._folders(root / name, depth - 1)

    def _entries(self, folder: Path) -> list[Entry]:
        # A process that died may have made names that are only in memory yet. What is served once must last. (Where
        # nothing is written any more, nothing can be promised either, but what is there is served.)
        health = self._charge.health
        if health.writable:
            with health.committing():
                sync_folder(self._fs, folder)
        return self._fs.entries(folder)

    def _read_folder(self, folder: Path, found: Found) -> None:
        names = {each.name for each in self._entries(folder) if each.kind is Kind.FILE}
        documents: list[Document] = []
        for name in names:
            if name.endswith(ATTRIBUTES_SUFFIX):
                self._read(name, documents, found)
            elif attributes_filename(name) not in names:
                found.orphans.append(folder / name)
        self._index.put(documents)
        found.files += len(documents)

    def _read(self, name: str, documents: list[Document], found: Found) -> None:
        file_id = file_id_in(name)
        if file_id is None:
            found.damaged += 1
            log.error("attributes under a name that is not ours are left alone", name=name)
            return
        try:
            documents.append(self._documents.read(file_id, data_filename(name)))
        except FileDamaged:
            found.damaged += 1  # logged where it was seen
        except FileNotFoundError:
            log.warning("attributes vanished while they were read", name=name)

    def _look_again(self, found: Found) -> None:
        """An upload that was committed meanwhile had its data in place for a moment before its attributes."""
        found.orphans = [
            each
            for each in found.orphans
            if self._fs.exists(each) and not self._fs.exists(each.with_name(attributes_filename(each.name)))
        ]
        for each in found.orphans[:SHOWN]:
            log.warning("data without attributes is left alone", path=str(each.relative_to(self._layout.files)))
