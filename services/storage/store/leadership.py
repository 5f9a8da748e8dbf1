"""Who may write: the lock, the epoch, the fence. See the head of this package.

Here one process serves a directory, and a second one is refused. The epoch is claimed nevertheless, at each start: it
is what makes a stale writer harmless (a lock can be lost unseen, on NFS above all), and every document says under which
one it was written.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from services.chassis.logs import get_logger
from services.storage.store.durable import sync_folder
from services.storage.store.fs import CREATE, LOCK, FileSystem, Kind
from services.storage.store.layout import Layout
from services.storage.store.refusal import ElementRefused

_EPOCH = re.compile(r"[0-9]{10}")

log = get_logger(__name__)


@contextmanager
def locked(fs: FileSystem, layout: Layout) -> Iterator[None]:
    """Hold the element's lock. Raises `ElementRefused` if another process does."""
    descriptor = fs.open(layout.lock, LOCK)
    try:
        try:
            fs.lock(descriptor)
        except BlockingIOError:
            raise ElementRefused(f"another process serves {layout.root} (it holds {layout.lock.name})") from None
        yield
    finally:
        fs.close(descriptor)


def latest_epoch(fs: FileSystem, layout: Layout) -> int:
    """The highest epoch that was ever claimed; 0 if none was."""
    try:
        entries = fs.entries(layout.epochs)
    except FileNotFoundError:
        return 0
    return max((int(each.name) for each in entries if _EPOCH.fullmatch(each.name)), default=0)


def claim(fs: FileSystem, layout: Layout) -> int:
    """Take the next epoch and make its folder of temporaries, durably. The lock is held. Raises `OSError`."""
    epoch = latest_epoch(fs, layout) + 1
    descriptor = fs.open(layout.epoch(epoch), CREATE)
    try:
        fs.fsync(descriptor)
    finally:
        fs.close(descriptor)
    sync_folder(fs, layout.epochs)
    with contextlib.suppress(FileExistsError):
        fs.mkdir(layout.temporaries(epoch))
    sync_folder(fs, layout.incoming)
    return epoch


def fence(fs: FileSystem, layout: Layout, epoch: int, now: datetime) -> int:
    """Remove every older folder of temporaries, so that nothing can be committed from one; how many leftovers went.

    Temporaries are nobody's documents: nothing in them was ever acknowledged; what was being destroyed is destroyed to
    the end by the journal's recovery. A folder inside one is not ours and is set aside. Raises `OSError`.
    """
    removed = 0
    for entry in fs.entries(layout.incoming):
        if entry.name == layout.temporaries(epoch).name:
            continue
        if entry.kind is not Kind.FOLDER or not _EPOCH.fullmatch(entry.name):
            log.warning("something foreign lies among the temporaries and is left alone", name=entry.name)
            continue
        folder = layout.incoming / entry.name
        for leftover in fs.entries(folder):
            if leftover.kind is Kind.FOLDER:
                aside = layout.quarantine / f"{now:%Y%m%dT%H%M%S%f}_foreign"
                fs.rename(folder / leftover.name, aside)
                log.warning("a foreign folder was set aside", name=leftover.name, quarantine=aside.name)
            else:
                fs.unlink(folder / leftover.name)
                removed += 1
        sync_folder(fs, folder)
        fs.rmdir(folder)
    sync_folder(fs, layout.incoming)
    return removed
