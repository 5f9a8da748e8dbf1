"""Where things lie below SE_DATA_DIR. The only place that puts paths together."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from services.model.ids import FileId
from services.storage.domain.names import attributes_filename, folder_of

LOST_AND_FOUND = "lost+found"


class Layout:
    """The paths of one element."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.element = root / "element.json"
        self.mode = root / "mode.json"
        self.lock = root / ".leader.lock"
        self.leader = root / ".leader.info"
        self.epochs = root / ".epochs"
        self.files = root / "files"
        self.incoming = root / "incoming"
        self.uploads = root / "uploads"
        self.quarantine = root / "quarantine"
        self.destroyed = root / "destroyed"
        self.gc = root / "gc.json"
        self.scrub = root / "scrub.json"
        self.reconcile = root / "reconcile.json"
        self.reserve = root / ".reserve"
        self.journal = root / ".wal"
        """Where the journal lies unless SE_WAL_DIR says otherwise."""
        self._hour = lru_cache(1024)(self.files.joinpath)

    def epoch(self, number: int) -> Path:
        """The file that says that somebody took charge as number `number`."""
        return self.epochs / f"{number:010}"

    def temporaries(self, epoch: int) -> Path:
        """The folder of the temporaries of one epoch."""
        return self.incoming / f"{epoch:010}"

    def folder(self, file_id: FileId) -> Path:
        """Where a file of that id lies, if it does. Raises `OverflowError` for a time beyond the year 9999."""
        return self._hour(folder_of(file_id))

    def data(self, file_id: FileId, storage_filename: str) -> Path:
        """The file itself."""
        return self.folder(file_id) / storage_filename

    def attributes(self, file_id: FileId, storage_filename: str) -> Path:
        """The attributes beside it."""
        return self.folder(file_id) / attributes_filename(storage_filename)
