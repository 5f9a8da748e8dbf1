"""Writing so that a power cut cannot undo it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from services.storage.store.fs import CREATE, FOLDER, READ, Bytes, FileSystem


def write_all(fs: FileSystem, descriptor: int, data: Bytes) -> None:
    """Write every byte; the system may take a part at a time."""
    written = fs.write(descriptor, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = fs.write(descriptor, data)


def write_file(fs: FileSystem, path: Path, data: Bytes) -> None:
    """Make a new file whose content is durable; its name is so only after `sync_folder`. A failure leaves nothing."""
    descriptor = fs.open(path, CREATE)
    try:
        try:
            write_all(fs, descriptor, data)
            fs.fsync(descriptor)
        finally:
            fs.close(descriptor)
    except OSError:
        forget(fs, path)
        raise


def forget(fs: FileSystem, temporary: Path) -> None:
    """Remove a temporary that came to nothing; one that cannot be removed goes at the next start."""
    with contextlib.suppress(OSError):
        fs.unlink(temporary)


def read_file(fs: FileSystem, path: Path, most: int) -> bytes:
    """The content of a small file, cut after `most` bytes. Raises `OSError`."""
    descriptor = fs.open(path, READ)
    try:
        data = fs.read(descriptor, most, 0)
        while len(data) < most and (more := fs.read(descriptor, most - len(data), len(data))):
            data += more
        return data
    finally:
        fs.close(descriptor)


class FolderNotSynced(OSError):
    """Which of a folder's names are durable, nobody knows; a full disk is no excuse, and trying again no remedy."""


SyncNames = Callable[[], None]
"""Makes the names in a folder durable, as they are when it is called. Raises `FolderNotSynced`."""


@contextlib.contextmanager
def open_folder(fs: FileSystem, path: Path) -> Iterator[SyncNames]:
    """Hold a folder open from before its names change until they are durable.

    Where something has begun that cannot be undone, it is too late to learn that too many files are open.
    """
    descriptor = fs.open(path, FOLDER)

    def sync() -> None:
        try:
            fs.fsync(descriptor)
        except OSError as error:
            raise FolderNotSynced(error.errno, error.strerror, str(path)) from error

    try:
        yield sync
    finally:
        with contextlib.suppress(OSError):  # it was only read
            fs.close(descriptor)


def sync_folder(fs: FileSystem, path: Path) -> None:
    """Make the names in a folder durable. Raises `FolderNotSynced` if that fails, `OSError` if it was not begun."""
    with open_folder(fs, path) as sync:
        sync()


def sync_file(fs: FileSystem, path: Path) -> None:
    """Make durable what a file holds, whoever wrote it."""
    descriptor = fs.open(path, READ)
    try:
        fs.fsync(descriptor)
    finally:
        fs.close(descriptor)


class Folders:
    """Makes folders under a root that is durable itself.

    A folder counts as existing only after this process has fsynced its parent: found on the disk, it may be there only
    in memory, made by a process that died before it came to that.
    """

    def __init__(self, fs: FileSystem, root: Path) -> None:
        self._fs, self._root = fs, root
        self._durable = {root}
        self._lock = threading.Lock()

    def ensure(self, folder: Path) -> None:
        """Return when `folder`, anywhere below the root, exists durably. Raises `OSError`."""
        if folder in self._durable:
            return
        with self._lock:
            missing = [folder, *folder.parents]
            for each in reversed(missing[: missing.index(self._root)]):
                self._make(each)

    def _make(self, folder: Path) -> None:
        if folder in self._durable:
            return
        with contextlib.suppress(FileExistsError):
            self._fs.mkdir(folder)
        sync_folder(self._fs, folder.parent)
        self._durable.add(folder)
