"""`quarantine/<time>_<what>/`: what was set aside, never deleted here, and how it comes back.

    quarantine/20261121T013000123_damaged_0198…/
      report_ivanov_20261121T013000_0198….pdf     what was moved, under the name that it had
      reason.json                                 why, sealed

    {"kind":"damaged","found_at":"…","file_id":"0198…","path":"files/2026/11/21/01/report_….pdf","detail":"…",
     "expected_sha256":"…","actual_sha256":"…","attr_sha256":"…"}

**Setting aside.** At every moment, and after a power cut at any of them, the thing lies at its place or in the
quarantine or, by two names of one file, in both; a process that was fenced removes nothing.

1. make the folder; write `reason.json`, fsync; give each file a second name there; fsync the folder
2. rename the first names into `incoming/<epoch>/`, where a process that was fenced fails; fsync their folder
3. unlink what was renamed

A folder that holds nothing but its reason is the beginning of a move that a crash cut off; the next start removes it,
and folders `.restored-…`, whose files had come back.

**Restoring** goes the same way back: a second name in `incoming/<epoch>/`, read and compared with the digest, and
renamed from there to its place; only when the file is committed does it leave the quarantine.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.ids import QuarantineId
from services.storage.domain.documents import write_time
from services.storage.domain.keeping import Reason
from services.storage.domain.seal import seal
from services.storage.store.disk import Disk
from services.storage.store.durable import open_folder, sync_file, sync_folder, write_file
from services.storage.store.fs import Kind
from services.storage.store.shelf import REASON, Shelf

_LEAVING = ".restored-"
"""Beginning of the name of an item whose files were taken back, until it is removed."""

log = get_logger(__name__)


class Quarantine:
    """Moves things in and out. In threads only; raises `OSError` as the disk does.

    Whoever moves a file holds its lock.
    """

    def __init__(self, disk: Disk, *, epoch: int) -> None:
        self._fs, self._layout = disk.fs, disk.layout
        self._root, self._temporaries = disk.layout.quarantine, disk.layout.temporaries(epoch)
        self._numbers = itertools.count(1)
        self.shelf = Shelf(disk.fs, disk.layout)
        """What is there."""

    def set_aside(self, paths: Sequence[Path], reason: Reason) -> QuarantineId:
        """Move files of one folder there, durably; the name of the item. Raises `FileNotFoundError` if one is gone."""
        for path in paths:
            sync_file(self._fs, path)
        with open_folder(self._fs, paths[0].parent) as sync:
            item = self._make_item(reason)
            write_file(self._fs, item / REASON, _encode(reason))
            for path in paths:
                self._fs.link(path, item / path.name)
            sync_folder(self._fs, item)
            gone = [self._leave(path) for path in paths]
            sync()
        self._forget(gone)
        log.warning("set aside", item=item.name, paths=[str(path.relative_to(self._layout.root)) for path in paths],
                    reason=reason.detail)  # fmt: skip
        return QuarantineId(item.name)

    def take(self, item_id: QuarantineId, name: str, temporary: Path) -> None:
        """Give a file of an item a second name among the temporaries, its content durable."""
        self._fs.link(self.shelf.path(item_id, name), temporary)
        sync_file(self._fs, temporary)

    def remove(self, item_id: QuarantineId) -> None:
        """Remove an item whose files were taken back, durably: all of it, or nothing."""
        leaving = self._root / f"{_LEAVING}{item_id}"
        self._fs.rename(self._root / item_id, leaving)
        sync_folder(self._fs, self._root)
        self._empty(leaving)

    def tidy(self) -> int:
        """Remove what a crash left: items that hold nothing yet, or were taken back. Nobody moves meanwhile."""
        found = [each.name for each in self._fs.entries(self._root) if each.kind is Kind.FOLDER]
        leaving = [name for name in found if name.startswith(_LEAVING)]
        empty = [item for item in self.shelf.names() if not self.shelf.holds_anything(item)]
        for name in (*leaving, *empty):
            self._empty(self._root / name)
        return len(leaving) + len(empty)

    def _empty(self, folder: Path) -> None:
        for each in self._fs.entries(folder):
            if each.kind is Kind.FILE:
                self._fs.unlink(folder / each.name)
        if not self._fs.entries(folder):
            self._fs.rmdir(folder)
            sync_folder(self._fs, self._root)

    def _make_item(self, reason: Reason) -> Path:
        at = reason.found_at.astimezone(UTC)
        while True:
            time = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}"
            item = self._root / "_".join(filter(None, (time, reason.kind.value, reason.file_id)))
            try:
                self._fs.mkdir(item)
            except FileExistsError:
                at += timedelta(milliseconds=1)
                continue
            sync_folder(self._fs, self._root)
            return item

    def _leave(self, path: Path) -> Path:
        """Take the first name away, so that a process which was fenced fails."""
        gone = self._temporaries / f"{next(self._numbers)}.set-aside"
        self._fs.rename(path, gone)
        return gone

    def _forget(self, temporaries: Sequence[Path]) -> None:
        for each in temporaries:
            with contextlib.suppress(OSError):  # it goes at the next start
                self._fs.unlink(each)


def _encode(reason: Reason) -> bytes:
    return seal(
        {
            "kind": reason.kind.value,
            "found_at": write_time(reason.found_at),
            "file_id": reason.file_id,
            "path": reason.path,
            "detail": reason.detail,
            "expected_sha256": reason.expected_sha256 or None,
            "actual_sha256": reason.actual_sha256 or None,
        }
    )
