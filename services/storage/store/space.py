"""Room for uploads: what was promised is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

from services.storage.domain.space import Room
from services.storage.store.fs import FileSystem
from services.storage.store.layout import Layout


class Space:
    """Sums the promises. Thread-safe. All sizes in bytes."""

    def __init__(
        self, fs: FileSystem, layout: Layout, *, keep_free: int, limit: int, used: Callable[[], int],
        lacking: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        """`keep_free`: SE_MIN_FREE_SPACE; `limit`: SE_CAPACITY, 0 for the file system; `used`: by stored files.

        `lacking`: what is to be kept free besides, for the reserve.
        """
        self._fs, self._layout = fs, layout
        self._keep_free, self._limit, self._used = keep_free, limit, used
        self._lacking = lacking
        self._pending = 0
        self._promised = 0
        self._lock = threading.Lock()

    def room(self) -> Room:
        """How much there is now. Raises `OSError`."""
        with self._lock:
            return self._room()

    def promise(self, size: int) -> None:
        """Keep `size` bytes for somebody. Raises `StorageFull` if they are not there, `OSError`."""
        with self._lock:
            self._room().require(size)
            self._pending += size
            self._promised += size

    def keep(self, size: int) -> None:
        """Keep `size` bytes that were promised before this process began, whether or not they are there now."""
        with self._lock:
            self._pending += size
            self._promised += size

    def taken(self, size: int) -> None:
        """So many of the promised bytes are now real blocks: the file system no longer calls them free."""
        with self._lock:
            self._pending -= size

    def settle(self, promised: int, pending: int) -> None:
        """Forget a promise: the file is stored, or given up. `pending`: what of it never became blocks."""
        with self._lock:
            self._promised -= promised
            self._pending -= pending

    def _room(self) -> Room:
        free, total = self._fs.space(self._layout.root)
        return Room(
            free=free,
            total=total,
            used=self._used(),
            pending=self._pending,
            promised=self._promised,
            keep_free=self._keep_free + self._lacking(),
            limit=self._limit,
        )
