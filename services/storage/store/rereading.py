"""Reading a file again past the page cache, a step at a time: however large it is, nobody waits long for a thread."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from services.storage.domain.keeping import Actual
from services.storage.ports import Pace
from services.storage.store.fs import READ, FileSystem
from services.storage.store.health import reading
from services.storage.store.pool import Pool

STEP = 512 << 10
"""Bytes read at a time."""


class Rereading:
    """What the bytes of a file are now."""

    def __init__(self, fs: FileSystem, pool: Pool) -> None:
        self._fs, self._pool = fs, pool

    async def __call__(self, path: Path, pace: Pace) -> Actual | None:
        """Size and digest; None if there is no such file. Raises `StorageUnavailable`."""
        begun = await self._pool.run(self._begin, path)
        if isinstance(begun, Actual):
            await pace(begun.size)
        return await self._on(begun, pace) if isinstance(begun, int) else begun

    async def _on(self, descriptor: int, pace: Pace) -> Actual:
        digest, size = hashlib.sha256(), 0
        try:
            while chunk := await self._pool.run(self._step, descriptor, size):
                await self._pool.run(digest.update, chunk)
                size += len(chunk)
                await pace(len(chunk))
        finally:
            await self._pool.run(self._close, descriptor)
        return Actual(size, digest.hexdigest())

    def _begin(self, path: Path) -> Actual | int | None:
        """What a small file is, as most are, in one job instead of one for each call; of others the descriptor."""
        descriptor = self._open(path)
        if descriptor is None:
            return None
        actual = None
        try:
            chunk = self._step(descriptor, 0)
            if len(chunk) < STEP and not self._step(descriptor, len(chunk)):
                actual = Actual(len(chunk), hashlib.sha256(chunk).hexdigest())
        except BaseException:
            self._close(descriptor)
            raise
        if actual is None:
            return descriptor
        self._close(descriptor)
        return actual

    def _open(self, path: Path) -> int | None:
        try:
            with reading():
                descriptor = self._fs.open(path, READ)
                self._fs.forget(descriptor)
        except FileNotFoundError:
            return None
        return descriptor

    def _step(self, descriptor: int, offset: int) -> bytes:
        with reading():
            return self._fs.read(descriptor, STEP, offset)

    def _close(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # it was only read
            self._fs.forget(descriptor)  # nor shall it push out what others read
            self._fs.close(descriptor)
