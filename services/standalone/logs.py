"""One log a process, kept within bounds while the run lives.

Processes write through what they inherited from us, opened to append: such a log is copied aside and then cut to
nothing, and each goes on at its new beginning. What is written in the instant between the last byte that was copied and
the cut is lost: microseconds, once in `LARGEST` bytes. Envoy opens its access log by itself: that one is renamed, and
Envoy told to open it again, so that nothing of it is lost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from services.standalone import files

LARGEST = 10 << 20
"""Bytes; a larger log is set aside."""
KEPT = 3
"""How many are kept that were set aside: name.log.1 is the youngest."""
INTERVAL = 5.0
"""Seconds between two looks: how far a log can outgrow `LARGEST`."""

Reopen = Callable[[], Awaitable[None]]
"""Has a process open its log again. Raises `OSError` if it cannot be asked."""


class KeepSmall:
    """Set aside every log of a folder that has grown large; one pass, to be repeated."""

    def __init__(self, folder: Path, reopen: Mapping[str, Reopen], tell: Callable[[str, str], None]) -> None:
        """`reopen`: how the writer of a log is told that it was renamed, by the log's name without its ending."""
        self._folder = folder
        self._reopen = reopen
        self._tell = tell
        self._renamed: set[str] = set()
        """Whose writers still have to be told."""
        self._failed: set[str] = set()

    async def __call__(self) -> None:
        """One that cannot be set aside (the disk is full) is told of once, and tried again the next time."""
        for log in sorted(self._folder.glob("*.log")):
            try:
                if await asyncio.to_thread(_set_aside, log, renamed=log.stem in self._reopen):
                    self._renamed.add(log.stem)
            except OSError as error:
                if log.stem not in self._failed:
                    self._tell("logs", f"{log} cannot be set aside: {error}")
                self._failed.add(log.stem)
            else:
                self._failed.discard(log.stem)
        for name in sorted(self._renamed):
            await self._tell_writer(name)

    async def _tell_writer(self, name: str) -> None:
        try:
            await self._reopen[name]()
        except OSError:
            return  # it does not run, or not yet: asked again, though a new one begins with a new log
        self._renamed.discard(name)


def _set_aside(log: Path, *, renamed: bool) -> bool:
    """Set it aside if it has grown large, in one way or the other; return whether it was renamed."""
    if log.stat().st_size < LARGEST:
        return False
    if renamed:
        _shift(log)
        log.replace(_numbered(log, 1))
    else:
        _cut(log)
    return renamed


def _cut(log: Path) -> None:
    unfinished = log.with_name(f".{log.name}.new")
    with log.open("r+b") as file, unfinished.open("wb") as copy:
        os.fchmod(copy.fileno(), files.PRIVATE)
        _copy(file, copy)
        _shift(log)
        unfinished.replace(_numbered(log, 1))
        _copy(file, copy)  # what came meanwhile
        os.ftruncate(file.fileno(), 0)


def _copy(file: BufferedRandom, copy: BinaryIO) -> None:
    """Copy the rest, all of it written out before it is found that no more has come."""
    while chunk := file.read(1 << 20):
        copy.write(chunk)
        copy.flush()


def _shift(log: Path) -> None:
    """Make room for a first one that is set aside."""
    for number in range(KEPT - 1, 0, -1):
        older = _numbered(log, number)
        if older.exists():
            older.replace(_numbered(log, number + 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
