"""What an element is opened with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.model.elements import Mode
from services.model.ids import StorageId
from services.storage.domain.election import Patience
from services.storage.domain.modes import ModeOverride
from services.storage.store.reserve import RESERVE_BYTES
from services.storage.store.wal.journal import SEGMENT_BYTES

SYNC_THREADS = 16
"""Each waits for the disk and for nothing else."""


@dataclass(frozen=True, slots=True)
class Replicated:
    """This process is one of several."""

    host: str
    port: int
    """Where the others reach it."""
    patience: Patience


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes in bytes."""

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
    sync_threads: int = SYNC_THREADS
    """How many small files are synced at the same time; 1: in order."""
    reserve: int = RESERVE_BYTES
    """What is given up when the disk is full."""
    restored: int = 0
    """The newest epoch of a directory that was restored from a backup; 0: it was not."""
    new_identity: str = ""
    """The original, if the directory is a copy that becomes an element of its own; empty: it does not."""
    feed_retention: timedelta = timedelta(0)
    """For how long changes are kept, for those who follow them."""
    feed_max_size: int = 0
    """In how many bytes; 0: in any."""
    replicated: Replicated | None = None
    """None: this is the element's only process."""
