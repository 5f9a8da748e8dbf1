"""Where segments lie, and how they are made and go."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path

from services.storage.store.durable import sync_folder, write_all
from services.storage.store.fs import CREATE, READ, WRITE, FileSystem, Kind
from services.storage.store.wal.records import Place

_EPOCH = re.compile(r"[0-9]{10}")
_SEGMENT = re.compile(r"([0-9]{10})\.seg")
_ZEROS = bytes(64 << 10)


class Segments:
    """The journal's folder. Raises `OSError` as the disk does."""

    def __init__(self, fs: FileSystem, root: Path) -> None:
        self.fs, self.root = fs, root

    def path(self, place: Place) -> Path:
        return self._folder(place.epoch) / f"{place.segment:010}.seg"

    def places(self) -> list[Place]:
        """All segments of all epochs, oldest first."""
        return sorted(
            Place(epoch, int(found[1]))
            for epoch in self.epochs()
            for each in self.fs.entries(self._folder(epoch))
            if each.kind is Kind.FILE and (found := _SEGMENT.fullmatch(each.name))
        )

    def epochs(self) -> list[int]:
        """The epochs that have a folder here, oldest first."""
        found = self.fs.entries(self.root)
        return sorted(int(each.name) for each in found if each.kind is Kind.FOLDER and _EPOCH.fullmatch(each.name))

    def read(self, place: Place, offset: int, most: int) -> bytes:
        """What a segment holds from `offset` on. Raises `FileNotFoundError` if it was removed."""
        descriptor = self.fs.open(self.path(place), READ)
        try:
            data = self.fs.read(descriptor, most, offset)
            while len(data) < most and (more := self.fs.read(descriptor, most - len(data), offset + len(data))):
                data += more
            return data
        finally:
            self.fs.close(descriptor)

    def make_folder(self, epoch: int) -> None:
        """The folder of a new epoch, durably."""
        self.fs.mkdir(self._folder(epoch))
        sync_folder(self.fs, self.root)

    def make(self, place: Place, size: int) -> int:
        """A new segment of `size` zeros, durable; open at its beginning. A failure leaves nothing.

        Zeros are written, not only allocated: each later fdatasync has then nothing but data to write.
        """
        path = self.path(place)
        descriptor = self.fs.open(path, CREATE)
        try:
            try:
                self.fs.allocate(descriptor, 0, size)
                for start in range(0, size, len(_ZEROS)):
                    write_all(self.fs, descriptor, _ZEROS[: size - start])
                self.fs.fsync(descriptor)
            finally:
                self.fs.close(descriptor)
            sync_folder(self.fs, path.parent)
            return self.fs.open(path, WRITE)
        except OSError:
            with contextlib.suppress(OSError):
                self.fs.unlink(path)
            raise

    def cut(self, place: Place, size: int) -> None:
        """Take away what lies behind `size`, durably."""
        descriptor = self.fs.open(self.path(place), WRITE)
        try:
            self.fs.truncate(descriptor, size)
            self.fs.fsync(descriptor)
        finally:
            self.fs.close(descriptor)

    def remove_before(self, spent: Place) -> None:
        """Remove what is not needed any more; a power cut may bring any of it back, which does no harm."""
        for place in self.places():
            if place < spent:
                self.fs.unlink(self.path(place))
        for epoch in self.epochs():
            if epoch < spent.epoch and not self.fs.entries(self._folder(epoch)):
                self.fs.rmdir(self._folder(epoch))

    def set_aside(self, now: datetime) -> Path:
        """Take all journals out of service, durably; where they are now."""
        aside = self.root / f"set-aside-{now:%Y%m%dT%H%M%S%f}"
        self.fs.mkdir(aside)
        sync_folder(self.fs, self.root)
        for epoch in self.epochs():
            self.fs.rename(self._folder(epoch), aside / self._folder(epoch).name)
        sync_folder(self.fs, aside)
        sync_folder(self.fs, self.root)
        return aside

    def _folder(self, epoch: int) -> Path:
        return self.root / f"{epoch:010}"
