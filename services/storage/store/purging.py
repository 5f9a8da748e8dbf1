"""Destroying a file, so that a power cut leaves it whole or gone, and never forgotten.

1. the line in `destroyed/`, fsynced: from here on it is known what happens
2. `begin` durable in the journal: from here on it happens, if need be in the next start (`wal/recovery.py`)
3. rename the attributes to `incoming/<epoch>/<id>.<n>.purged.attr.json`: a process that was fenced fails here
4. unlink the data; fsync their folder, which held both names
5. unlink what was renamed; `commit` durable in the journal, told to the index
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

from services.model.errors import StorageFull
from services.model.feed import Destroyed
from services.model.ids import FileId
from services.storage.domain.documents import Document
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.durable import SyncNames, open_folder
from services.storage.store.health import FULL, full
from services.storage.store.lookup import Lookup
from services.storage.store.wal.journal import Journal
from services.storage.store.wal.records import Op


class Purging:
    """Destroys files. `destroy` is one job of a thread; whoever starts it holds the file's lock."""

    def __init__(self, disk: Disk, *, journal: Journal, lookup: Lookup, log: DestroyedLog, epoch: int) -> None:
        self._disk, self._journal, self._lookup, self._log = disk, journal, lookup, log
        self._temporaries = disk.layout.temporaries(epoch)
        self._numbers = itertools.count(1)

    def destroy(self, file_id: FileId, decide: Callable[[Document], Destroyed | None]) -> Destroyed | None:
        """Destroy a file if `decide`, asked about its present document, says so. Raises as `Files.destroy`."""
        document = self._lookup.find(file_id)
        line = decide(document)
        if line is None:
            return None
        with contextlib.ExitStack() as held:
            with self._disk.health.preparing():
                self._log.append(line)
                sync = held.enter_context(open_folder(self._disk.fs, self._disk.layout.folder(file_id)))
            tx = self._journal.begin(Op.PURGE, document, old=document.attributes.revision, new=0)
            try:
                with self._disk.health.committing():
                    self._remove(document, sync)
            except StorageFull:  # nothing has happened but the line
                self._journal.abort(tx)
                raise
        self._journal.commit(tx, document, destroyed=line)
        return line

    def _remove(self, document: Document, sync: SyncNames) -> None:
        fs, layout, file_id = self._disk.fs, self._disk.layout, document.attributes.file_id
        aside = self._temporaries / f"{file_id}.{next(self._numbers)}.purged.attr.json"
        try:
            fs.rename(layout.attributes(file_id, document.storage_filename), aside)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise full() from error
        with contextlib.suppress(FileNotFoundError):
            fs.unlink(layout.data(file_id, document.storage_filename))
        sync()
        fs.unlink(aside)
