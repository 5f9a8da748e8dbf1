"""Whether this process may write now, and with what.

Reading needs no leadership: it goes to the disk. Everything that writes asks here first, each time: a leadership comes
and goes while the process lives on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.model.errors import StorageUnavailable
from services.storage.store.commits import Commits
from services.storage.store.disk import Disk
from services.storage.store.health import WriteHealth
from services.storage.store.purging import Purging
from services.storage.store.quarantine import Quarantine
from services.storage.store.restoring import Restoring
from services.storage.store.small import BatchCommits
from services.storage.store.uploads import UploadFiles
from services.storage.store.wal.journal import Journal
from services.storage.store.wal.kept import Source


@dataclass(frozen=True, slots=True)
class Writing:
    """What one leadership adds to what any process of the element has."""

    epoch: int
    disk: Disk
    journal: Journal
    source: Source
    """Of the change feed."""
    commits: Commits
    batch: BatchCommits
    purging: Purging
    uploads: UploadFiles
    quarantine: Quarantine
    restoring: Restoring

    def close(self) -> None:
        """Nothing is begun any more; waits for a write of the journal that is under way."""
        self.uploads.leave()
        self.journal.close()


class Charge:
    """Empty until this process leads."""

    def __init__(self) -> None:
        self._writing: Writing | None = None
        self.index = asyncio.Lock()
        """Held by whoever brings the index up to date from the journal: a follower, or one who takes charge."""
        self.taking = False
        """Whether this process is about to write: it follows nobody any more."""
        self._resting = WriteHealth()
        self._resting.depose("this process does not lead the storage element")

    @property
    def leading(self) -> bool:
        return self._writing is not None

    @property
    def writing(self) -> Writing:
        """What this process writes with. Raises `StorageUnavailable` while it does not lead."""
        if self._writing is None:
            raise StorageUnavailable("the storage element is changing its leader; try again", retry_after=2)
        return self._writing

    @property
    def health(self) -> WriteHealth:
        """Whether this process writes; not while it does not lead."""
        return self._resting if self._writing is None else self._writing.disk.health

    def take(self, writing: Writing) -> None:
        """From now on this process writes."""
        self._writing = writing

    def leave(self) -> None:
        """From now on it does not."""
        self._writing, self.taking = None, False
