"""`.reserve`: real blocks that are given up when the disk is full, so that deleting and collecting still work.

Changes, destruction, the mode, what is found out about damage, what is put back, the notes of collector and scrub, and
the index may spend them: they take room for a moment only.
Uploads do not get them: what the reserve lacks is kept free (`Space`). It is made whole again once there is room for
it and as much again.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from services.chassis.logs import get_logger
from services.model.errors import StorageFull
from services.storage.store.durable import forget
from services.storage.store.fs import CREATE, READ, FileSystem
from services.storage.store.layout import Layout

RESERVE_BYTES = 4 << 20
"""Enough for a new segment of the journal, and for as much again of folders, lines and temporaries."""

Args = ParamSpec("Args")
Result = TypeVar("Result")

log = get_logger(__name__)


class Reserve:
    """Used in threads, by the process that leads."""

    def __init__(self, fs: FileSystem, layout: Layout, size: int) -> None:
        self._fs, self._path, self._root, self._size = fs, layout.reserve, layout.root, size
        self._lock = threading.Lock()
        self._whole = False

    @property
    def missing(self) -> int:
        """Bytes that it lacks."""
        return 0 if self._whole else self._size

    def begin(self) -> None:
        """Before a leadership begins: give it up if there is hardly any room, since beginning takes some.

        Raises `OSError`.
        """
        self._whole = False  # another leader may have had it since
        free, _ = self._fs.space(self._root)
        if free < self._size:
            self.release()

    def refill(self) -> bool:
        """Make it whole if there is room; whether it is. A failure leaves it for the next time."""
        with self._lock:
            try:
                self._whole = self._whole or self._found() or self._made()
            except OSError as error:
                log.warning("the reserve cannot be made", error=str(error))
            return self._whole

    def release(self) -> bool:
        """Give it up; False if there was none, or it cannot be removed."""
        with self._lock:
            self._whole = False
            try:
                self._fs.unlink(self._path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    log.warning("the reserve cannot be given up", error=str(error))
                return False
        log.warning("the disk is full: the reserve was given up", bytes=self._size)
        return True

    def spending(self, job: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """The result of `job`, which is done again with the reserve given up if the disk is too full for it.

        `job` has done nothing where it raises `StorageFull`, or what it finds done the second time. Raises that if it
        was of no use, and what `job` raises.
        """
        try:
            return job(*args, **kwargs)
        except StorageFull:
            if not self.release():
                raise
        return job(*args, **kwargs)

    def _found(self) -> bool:
        try:
            descriptor = self._fs.open(self._path, READ)
        except FileNotFoundError:
            return False
        try:
            size = self._fs.size(descriptor)
        finally:
            self._fs.close(descriptor)
        if size != self._size:
            forget(self._fs, self._path)  # of a start that was cut off, or of another size
        return size == self._size

    def _made(self) -> bool:
        free, _ = self._fs.space(self._root)
        if free < 2 * self._size:
            return False
        descriptor = self._fs.open(self._path, CREATE)
        try:
            self._fs.allocate(descriptor, 0, self._size)
        except OSError:
            forget(self._fs, self._path)
            raise
        finally:
            self._fs.close(descriptor)
        log.info("the reserve is whole", bytes=self._size)
        return True
