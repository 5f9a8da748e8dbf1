"""Elements that are closed: what lies on their disk, and their index. Every run starts from a copy of one."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem
from tests.doubles.clock import FakeClock
from tests.doubles.disks import StrictDisk, WatchedDisk
from tests.support.power_cuts import ROOT
from tests.support.storage_store import opened, tree
from tests.unit.storage.samples import NOW

_numbers = itertools.count(1)


class OwnDescriptors(FileSystem):
    """The operating system's, with the descriptors that a process holds: its end closes them."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._open.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        super().close(descriptor)

    def ended(self) -> None:
        """The process is no more."""
        for descriptor in list(self._open):
            self.close(descriptor)


@dataclass
class Ground:
    """A closed element. `strict`: its disk; None: it lies on a real one, in `folder`/data."""

    folder: Path
    strict: StrictDisk | None
    opening: dict[str, Any] = field(default_factory=dict)
    """What each opening of it says."""
    unsynced: bool = False
    """Whether copies of it are what a kill leaves: all is there, and no more of it durable than was."""

    @property
    def data(self) -> Path:
        return ROOT if self.strict else self.folder / "data"

    def copy(self, *, index: Path | None = None, luck: random.Random | None = None) -> Ground:
        """Another one like it. `luck`: what a power cut leaves of what was not synced; None: only what was synced.

        `index`: the folder whose index it has instead of its own.
        """
        folder = self.folder.with_name(f"ground-{next(_numbers)}")
        folder.mkdir()
        if (source := (index or self.folder) / "index").exists():
            shutil.copytree(source, folder / "index")
        if self.strict is None:
            shutil.copytree(self.folder / "data", folder / "data")
            return Ground(folder, None, self.opening)
        strict = self.strict.killed() if self.unsynced and luck is None else self.strict.crash(luck)
        return Ground(folder, strict, self.opening, unsynced=self.unsynced)

    def as_it_lies(self) -> Ground:
        """Another one, of which the same is durable as of this: taken while this is still open."""
        copy = self.copy()
        copy.strict, copy.unsynced = self.strict, False
        return copy

    def disk(self) -> WatchedDisk:
        """Its file system, to be watched and disturbed."""
        return WatchedDisk(self.strict or OwnDescriptors())

    @asynccontextmanager
    async def open(self, fs: FileSystem | None = None, **changes: Any) -> AsyncIterator[tuple[Element, FakeClock]]:
        """Open it, two days after it was made; each time a second later than the time before."""
        clock = FakeClock(NOW)
        epochs = sum(path.startswith(".epochs/") for path in self.paths())
        clock.advance(2 * 86400 + epochs)
        asked = {"data_dir": self.data, **self.opening, **changes}
        async with opened(self.folder, clock=clock, fs=fs or self.disk(), **asked) as element:
            try:
                yield element, clock
            finally:
                if element.candidate is not None:
                    await element.candidate.close()

    def paths(self) -> dict[str, bytes]:
        """Every file on its disk."""
        return self.strict.paths() if self.strict else tree(self.folder / "data")

    def kept(self) -> dict[str, bytes]:
        """What a start must not change."""
        passing = (".epochs/", ".wal/", "incoming/", ".leader.info")
        return {path: data for path, data in self.paths().items() if not path.startswith(passing)}

    def alone(self) -> list[str]:
        """Leftovers: temporaries, data without attributes and attributes without data, unless they say so."""
        paths = self.paths()
        temporary = [path for path in paths if path.startswith("incoming/")]
        parts = {path for path in paths if path.startswith("uploads/") and path.endswith(".part")}
        unknown = [part for part in parts if f"{part.removesuffix('.part')}.json" not in paths]
        files = {path for path in paths if path.startswith("files/")}
        described = {path.removesuffix(ATTRIBUTES_SUFFIX) for path in files if path.endswith(ATTRIBUTES_SUFFIX)}
        data = {path for path in files if not path.endswith(ATTRIBUTES_SUFFIX)}
        lacking = {path for path in described - data if b'"status":"damaged"' not in paths[path + ATTRIBUTES_SUFFIX]}
        return [*temporary, *unknown, *sorted((data - described) | lacking)]

    def remove(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.folder)


def ended(disk: WatchedDisk) -> None:
    """The process that used it is no more: its descriptors are closed, and so its lock is free."""
    disk.well()
    if isinstance(disk.inner, OwnDescriptors):
        disk.inner.ended()
