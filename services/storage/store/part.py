"""A part: content on its way in, in `incoming/<epoch>/`. Used by one thread at a time."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from services.storage.store.durable import write_all
from services.storage.store.fs import CREATE, Bytes, FileSystem
from services.storage.store.health import WriteHealth
from services.storage.store.space import Space

FIRST_STEP = 1 << 20
LARGEST_STEP = 64 << 20
"""Bytes promised at a time to an upload that did not declare its size: as much again as it has, within these."""


class Part:
    """Its file, its room, its digest."""

    def __init__(self, fs: FileSystem, path: Path, space: Space, health: WriteHealth) -> None:
        self._fs, self.path, self._space, self._health = fs, path, space, health
        self._descriptor: int | None = None
        self._hash = hashlib.sha256()
        self._promised = 0
        self._allocated = 0
        self.size = 0
        """Bytes written."""
        self.gone = False
        """Whether it was published or discarded."""

    def open(self, declared_size: int | None) -> None:
        """Make the file and keep its room. Raises `StorageFull`, `StorageUnavailable`; then nothing stays."""
        with self._health.preparing():
            try:
                if declared_size:
                    self._promise(declared_size)
                self._descriptor = self._fs.open(self.path, CREATE)
                self._allocate()
            except BaseException:
                self.discard()
                raise

    def append(self, data: Bytes) -> None:
        """Write the next bytes. Raises as `open`; then only `discard` may follow."""
        with self._health.preparing():
            if self.size + len(data) > self._promised:
                self._promise(max(len(data), min(max(self.size, FIRST_STEP), LARGEST_STEP)))
                self._allocate()
            write_all(self._fs, self._file, data)
        self.size += len(data)

    def digest(self, data: Bytes) -> None:
        """Take the next bytes into the digest; beside `append`, in another thread."""
        self._hash.update(data)

    def push(self) -> None:
        """Have what was written so far go to the disk; beside `append`, in another thread. Raises as `open`.

        Without it the system would keep hundreds of MiB and write them only when `finish` asks, while the sender waits.
        What has reached the disk leaves the memory: a large file must not drive out the small ones that are read
        often, and the next bytes go to the same pages instead of fresh ones, which cost several times as much.
        """
        with self._health.preparing():
            self._fs.fdatasync(self._file)
        with contextlib.suppress(OSError):  # advice, which not every file system takes
            self._fs.forget(self._file)

    def finish(self) -> str:
        """Make all bytes durable and give back the room that was not needed; their SHA-256. Raises as `open`."""
        with self._health.preparing():
            if self._allocated > self.size:
                self._fs.truncate(self._file, self.size)
            self._fs.fdatasync(self._file)
            self._close()
        return self._hash.hexdigest()

    def published(self) -> None:
        """It has been renamed into place: nothing is left to remove."""
        self.gone = True
        self._settle()

    def discard(self) -> None:
        """Remove it and give back its room. Never raises: what cannot be removed goes at the next start."""
        self.gone = True
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self._fs.unlink(self.path)
        self._settle()

    @property
    def _file(self) -> int:
        assert self._descriptor is not None, "the part is not open"
        return self._descriptor

    def _promise(self, size: int) -> None:
        self._space.promise(size)
        self._promised += size

    def _allocate(self) -> None:
        """Turn what was promised into blocks."""
        wanted = self._promised - self._allocated
        if wanted:
            self._fs.allocate(self._file, self._allocated, wanted)
            self._allocated += wanted
            self._space.taken(wanted)

    def _settle(self) -> None:
        self._space.settle(self._promised, self._promised - self._allocated)
        self._promised = self._allocated = 0

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._fs.close(descriptor)
