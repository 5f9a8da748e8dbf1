"""Every file-system call of the store, one method each and nothing more: the place where tests inject faults.

Methods raise `OSError` as the operating system does. Paths are made by `layout.py`, never by a client.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

Bytes = bytes | memoryview

FILE_MODE = 0o640
FOLDER_MODE = 0o750

READ = os.O_RDONLY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
"""A new file; fails if the name is taken."""
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
"""Behind what is there already, if anything is."""
WRITE = os.O_WRONLY | os.O_CLOEXEC
"""A file that is there, from its beginning."""
_READ_ONLY = READ | os.O_NOFOLLOW
LOCK = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Kind(Enum):
    """What a name in a folder stands for."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    """A symbolic link: never followed."""
    OTHER = "other"
    """A device, a pipe, a socket."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder."""

    name: str
    kind: Kind


class FileSystem:
    """The operating system's."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW, FILE_MODE)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def write(self, descriptor: int, data: Bytes) -> int:
        """How many bytes were taken; perhaps not all."""
        return os.write(descriptor, data)

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """Perhaps fewer than `length`; empty at the end."""
        return os.pread(descriptor, length, offset)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def length(self, path: Path) -> int:
        """Bytes of a file, by its name; of a link, not of what it leads to."""
        return path.lstat().st_size

    def stamp(self, path: Path) -> tuple[int, int, int]:
        """Which file it is, its size, and when it was written: with another stamp its bytes may be others."""
        found = path.lstat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def forget(self, descriptor: int) -> None:
        """Have the system drop what it remembers of a file's content: what is read next comes from the disk."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        """Give the file real blocks, so that writing them cannot fail for want of room; it grows accordingly."""
        os.posix_fallocate(descriptor, offset, length)

    def truncate(self, descriptor: int, length: int) -> None:
        os.ftruncate(descriptor, length)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def lock(self, descriptor: int) -> None:
        """Take the exclusive flock. Raises `BlockingIOError` if another process has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """A second name. Raises `FileExistsError` if it is taken."""
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(FOLDER_MODE)

    def rmdir(self, path: Path) -> None:
        path.rmdir()

    def entries(self, folder: Path) -> list[Entry]:
        """All names in a folder, in no order."""
        with os.scandir(folder) as found:
            return [Entry(each.name, _kind(each)) for each in found]

    def scan(self, folder: Path, some: int) -> Iterator[list[Entry]]:
        """The same, so many at a time: there may be millions."""
        with os.scandir(folder) as found:
            while entries := list(islice(found, some)):
                yield [Entry(each.name, _kind(each)) for each in entries]

    def names(self, folder: Path, some: int) -> Iterator[list[bytes]]:
        """The names of plain files in a folder, in no order, of so many entries at a time: there may be millions.

        As the system has them: whoever goes through many need not make each into text and back.
        """
        with os.scandir(os.fsencode(folder)) as found:
            while entries := list(islice(found, some)):
                yield [each.name for each in entries if each.is_file(follow_symlinks=False)]

    def load(self, folder: int, name: str | bytes, most: int) -> bytes:
        """The beginning of a file in an open folder: at most so many bytes, and perhaps fewer."""
        descriptor = os.open(name, _READ_ONLY, dir_fd=folder)
        try:
            return os.read(descriptor, most)
        finally:
            os.close(descriptor)

    def exists(self, path: Path) -> bool:
        """Whether anything has that name. Raises `OSError` when that cannot be told."""
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        return True

    def device(self, path: Path) -> int:
        """Which file system a path lies on."""
        return path.stat().st_dev

    def space(self, path: Path) -> tuple[int, int]:
        """Bytes that are free for us, and the size of the file system."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    return Kind.FOLDER if entry.is_dir(follow_symlinks=False) else Kind.OTHER
