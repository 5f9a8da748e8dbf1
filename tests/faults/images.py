"""A real ext4 in a file, mounted through a loop device: one that can be full, and whose power can be cut.

Needs root and loop devices, as CI has them; where they are missing the tests fail and say so: nothing is left out in
silence. `FAULTS_WITHOUT_MOUNTS=1` leaves them out aloud.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""Not even the file system's own journal is written out: what was not synced is gone."""
OPTIONS = "loop,data=writeback,noauto_da_alloc"
"""ext4 forgives least with these."""
HINT = (
    "this test mounts an ext4 image, which needs root and loop devices (in a container: --privileged). "
    "Run it where they are, or leave such tests out with FAULTS_WITHOUT_MOUNTS=1"
)

needs_mounts = pytest.mark.skipif(
    bool(os.environ.get("FAULTS_WITHOUT_MOUNTS")), reason="FAULTS_WITHOUT_MOUNTS is set: no ext4 image is mounted"
)


class Image:
    """A file system in the file `path`, mounted at `folder` while it is in use."""

    def __init__(self, path: Path, folder: Path, size: int) -> None:
        """`size`: bytes."""
        self._path, self.folder = path, folder
        folder.mkdir()
        with path.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(path))

    def mount(self) -> None:
        _run("mount", "-t", "ext4", "-o", OPTIONS, str(self._path), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def cut(self) -> None:
        """The power goes: everything that is asked of it from now on fails."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Image]:
    """An image in `folder`, mounted at `folder`/disk until this is left."""
    image = Image(folder / "image", folder / "disk", size)
    image.mount()
    try:
        yield image
    finally:
        with contextlib.suppress(AssertionError):  # it may be unmounted already, by a test that failed
            image.unmount()
        (folder / "image").unlink()


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise AssertionError(f"{error}; {HINT}") from error
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}; {HINT}"
