"""Who may write: the lock, the epoch, the fence. See the head of this package.

A lock can be lost unseen, on NFS above all, and a paused process keeps its own: the epoch is what makes a stale writer
harmless. Every document says under which one it was written.

Whoever takes charge makes, in this order, the file of his epoch (O_EXCL: one wins), his folder of temporaries, and then
looks at the epochs once more: if somebody was faster with a later one he has fenced already, before that folder was
there, and it must go again. So nobody ever has such a folder behind the back of a later epoch, and since nobody makes
the one of an epoch that is not his own, none comes back.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.storage.store.durable import sync_folder
from services.storage.store.fs import CREATE, LOCK, Entry, FileSystem, Kind
from services.storage.store.layout import Layout
from services.storage.store.refusal import ElementRefused

_EPOCH = re.compile(r"[0-9]{10}")

log = get_logger(__name__)


class Superseded(Exception):
    """Another process has claimed that epoch, or a later one."""


@contextmanager
def locked(fs: FileSystem, layout: Layout) -> Iterator[None]:
    """Hold the element's lock. Raises `ElementRefused` if another process does."""
    descriptor = try_lock(fs, layout.lock)
    if descriptor is None:
        raise ElementRefused(f"another process serves {layout.root} (it holds {layout.lock.name})")
    try:
        yield
    finally:
        fs.close(descriptor)


def try_lock(fs: FileSystem, path: Path) -> int | None:
    """Take a lock, held until the descriptor is closed; None if another process has it. Raises `OSError`."""
    descriptor = fs.open(path, LOCK)
    try:
        fs.lock(descriptor)
    except BlockingIOError:
        fs.close(descriptor)
        return None
    except BaseException:
        fs.close(descriptor)
        raise
    return descriptor


def latest_epoch(fs: FileSystem, layout: Layout) -> int:
    """The highest epoch that was ever claimed; 0 if none was."""
    try:
        entries = fs.entries(layout.epochs)
    except FileNotFoundError:
        return 0
    return max((int(each.name) for each in entries if _EPOCH.fullmatch(each.name)), default=0)


def claim(fs: FileSystem, layout: Layout, epoch: int) -> None:
    """Take an epoch and make its folder of temporaries, durably. Raises `Superseded`, `OSError`."""
    try:
        descriptor = fs.open(layout.epoch(epoch), CREATE)
    except FileExistsError:
        raise Superseded(f"epoch {epoch} is another's") from None
    try:
        fs.fsync(descriptor)
    finally:
        fs.close(descriptor)
    sync_folder(fs, layout.epochs)
    with contextlib.suppress(FileExistsError):
        fs.mkdir(layout.temporaries(epoch))
    sync_folder(fs, layout.incoming)
    if latest_epoch(fs, layout) > epoch:
        with contextlib.suppress(FileNotFoundError):
            fs.rmdir(layout.temporaries(epoch))
        raise Superseded(f"epoch {epoch} is past")


def fence(fs: FileSystem, layout: Layout, epoch: int, now: datetime) -> int:
    """Remove every older folder of temporaries, so that nothing can be committed from one; how many leftovers went.

    Temporaries are nobody's documents: nothing in them was ever acknowledged; what was being destroyed is destroyed to
    the end by the journal's recovery. A folder inside one is not ours and is set aside. Whoever still fills an older
    one does not get ahead of us: it is emptied until it is gone. Raises `Superseded` if somebody fences us meanwhile,
    `OSError`.
    """
    own = layout.temporaries(epoch)
    removed = 0
    for entry in fs.entries(layout.incoming):
        if entry.name == own.name:
            continue
        if entry.kind is not Kind.FOLDER or not _EPOCH.fullmatch(entry.name):
            log.warning("something foreign lies among the temporaries and is left alone", name=entry.name)
            continue
        if entry.name > own.name:
            raise Superseded(f"epoch {epoch} is past")
        removed += _remove(fs, layout, layout.incoming / entry.name, own, now)
    sync_folder(fs, layout.incoming)
    return removed


def _remove(fs: FileSystem, layout: Layout, folder: Path, own: Path, now: datetime) -> int:
    removed = 0
    while True:
        for leftover in _entries(fs, folder):
            removed += _move_out(fs, layout, folder, leftover, own, now)
        try:
            fs.rmdir(folder)
        except FileNotFoundError:
            return removed
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            continue  # its owner lives, and was faster than we
        return removed


def _entries(fs: FileSystem, folder: Path) -> list[Entry]:
    try:
        return fs.entries(folder)
    except FileNotFoundError:  # another one fences, too
        return []


def _move_out(fs: FileSystem, layout: Layout, folder: Path, leftover: Entry, own: Path, now: datetime) -> int:
    """Out of the folder first, then away: on NFS a file that somebody has open would leave a name behind in it."""
    source = folder / leftover.name
    try:
        if leftover.kind is Kind.FOLDER:
            aside = layout.quarantine / f"{now:%Y%m%dT%H%M%S%f}_foreign"
            fs.rename(source, aside)
            log.warning("a foreign folder was set aside", name=leftover.name, quarantine=aside.name)
            return 0
        moved = own / f"fenced.{folder.name}.{leftover.name}"
        fs.rename(source, moved)
    except FileNotFoundError:
        if not fs.exists(own):
            raise Superseded(f"{own.name} is past") from None
        return 0  # its owner lives, and was faster than we
    fs.unlink(moved)
    return 1
