"""Destroying a file, so that a power cut leaves it whole or gone, and never forgotten.

1. the line in `destroyed/`, fsynced: from here on it is known what happens
2. a copy of the attributes to `incoming/<epoch>/<id>.<n>.purged.attr.json`, fsynced, the folder too
3. rename the attributes themselves over that copy: **the commit point**; fsync the file's folder. It is a rename into
   the own epoch's folder, so a process that was fenced fails here. Without the copy a file system that forgets one half
   of a rename could leave data of which nobody knows whose they are
4. unlink the data; fsync the folder
5. unlink what was renamed

What a crash leaves of it in `incoming/` tells the next start, which holds the fence, to do 4 and 5 (`finish_purge`);
unless the attributes are still in their place, where they count.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

from services.model.ids import FileId
from services.storage.domain.collecting import Destroyed
from services.storage.domain.documents import Document, decode, encode
from services.storage.domain.seal import CorruptDocument
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.documents import READ_AT_MOST
from services.storage.store.durable import read_file, sync_folder, write_file
from services.storage.store.fs import FileSystem
from services.storage.store.health import FULL, full
from services.storage.store.index import Index
from services.storage.store.layout import Layout
from services.storage.store.lookup import Lookup

SUFFIX = ".purged.attr.json"


class Purging:
    """Destroys files. `destroy` is one job of a thread; whoever starts it holds the file's lock."""

    def __init__(self, disk: Disk, *, index: Index, lookup: Lookup, log: DestroyedLog, epoch: int) -> None:
        self._disk, self._index, self._lookup, self._log = disk, index, lookup, log
        self._temporaries = disk.layout.temporaries(epoch)
        self._numbers = itertools.count(1)

    def destroy(self, file_id: FileId, decide: Callable[[Document], Destroyed | None]) -> Destroyed | None:
        """Destroy a file if `decide`, asked about its present document, says so. Raises as `Files.destroy`."""
        document = self._lookup.find(file_id)
        line = decide(document)
        if line is None:
            return None
        aside = self._temporaries / f"{file_id}.{next(self._numbers)}{SUFFIX}"
        with self._disk.health.preparing():
            self._log.append(line)
            write_file(self._disk.fs, aside, encode(document))
            sync_folder(self._disk.fs, aside.parent)
        # (With the journal: `begin` becomes durable here.)
        with self._disk.health.committing():
            self._remove(document, aside)
        # (With the journal: `commit`, with the next number, becomes durable here.)
        self._index.remove(line)
        return line

    def _remove(self, document: Document, aside: Path) -> None:
        fs, layout = self._disk.fs, self._disk.layout
        attributes = layout.attributes(document.attributes.file_id, document.storage_filename)
        try:
            fs.rename(attributes, aside)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise full() from error
        sync_folder(fs, attributes.parent)
        _remove_data(fs, layout, document)
        fs.unlink(aside)


def finish_purge(fs: FileSystem, layout: Layout, aside: Path) -> None:
    """Finish what a crash interrupted, all but removing `aside` itself. Nobody else writes. Raises `OSError`."""
    try:
        document = decode(read_file(fs, aside, READ_AT_MOST))
    except CorruptDocument:
        return  # the data, if they are still there, show as an orphan
    if not fs.exists(layout.attributes(document.attributes.file_id, document.storage_filename)):
        _remove_data(fs, layout, document)


def _remove_data(fs: FileSystem, layout: Layout, document: Document) -> None:
    data = layout.data(document.attributes.file_id, document.storage_filename)
    with contextlib.suppress(FileNotFoundError):
        fs.unlink(data)
        sync_folder(fs, data.parent)
