"""`destroyed/YYYY/MM.jsonl`: what was destroyed, by whom it was deleted, when, and why. One JSON object on a line.

    {"file_id":"0198…","size":1048576,"sha256":"9f86d08…","why":"deleted","by":"anna",
     "ended_at":"2026-11-20T01:30:00.000Z","destroyed_at":"2026-11-21T01:30:00.000Z"}

A line is durable before anything of its file goes. It may therefore stand there for a file that is still whole (the
power went in between), and twice; the file on the disk counts then. A line cut by a crash is closed by the next one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.chassis.logs import get_logger
from services.model.feed import Destroyed
from services.model.files import FileStatus
from services.model.ids import FileId, Subject, file_id_time, parse_file_id
from services.storage.store.disk import Disk
from services.storage.store.durable import sync_folder, write_all
from services.storage.store.fs import APPEND, READ, Kind

_STEP = 256 << 10
_BEGINNING = b'{"file_id":"'
_ID = slice(len(_BEGINNING), len(_BEGINNING) + 36)
"""Where the id stands in a line that begins so."""
_SLACK = timedelta(days=2)
"""The time in an id is another clock's."""

log = get_logger(__name__)


class DestroyedLog:
    """Writes and reads the log. In threads only. Raises `OSError` as the disk does."""

    def __init__(self, disk: Disk) -> None:
        self._fs, self._root, self._folders = disk.fs, disk.layout.destroyed, disk.folders
        self._lock = threading.Lock()

    def append(self, line: Destroyed) -> None:
        """Durable when this returns."""
        path = self._root / f"{line.destroyed_at.astimezone(UTC):%Y/%m}.jsonl"
        with self._lock:
            self._folders.ensure(path.parent)
            torn = self._torn(path)
            descriptor = self._fs.open(path, APPEND)
            try:
                write_all(self._fs, descriptor, (b"\n" if torn else b"") + _encode(line))
                self._fs.fsync(descriptor)
            finally:
                self._fs.close(descriptor)
            sync_folder(self._fs, path.parent)

    def lines(self, since: FileId | None = None) -> Iterator[Destroyed]:
        """Every line, oldest first; `since`: only of the months in which a file of that id can have been destroyed."""
        for path in self._files(since):
            for text in self._texts(path):
                if text and (since is None or since.encode() in text):
                    line = _decode(text)
                    if line is None:
                        log.warning("a line of the destroyed log is not understood", path=path.name)
                    elif since in (None, line.file_id):
                        yield line

    def find(self, file_id: FileId) -> Destroyed | None:
        """What became of a file; reads the whole log, for the time while the index is being made."""
        return next(self.lines(file_id), None)

    def latest(self, file_ids: Collection[FileId]) -> list[Destroyed]:
        """What became of these files, of those that were destroyed; newest months first, until all are found."""
        found: dict[FileId, Destroyed] = {}
        wanted = set(file_ids)
        for path in reversed(self._files(min(wanted))):
            ids = frozenset(each.encode() for each in wanted)
            lines = (_decode(text) for text in self._texts(path) if text and _may_be_of(text, ids))
            month = {line.file_id: line for line in lines if line is not None and line.file_id in wanted}
            found.update(month)
            wanted -= month.keys()
            if not wanted:
                break
        return list(found.values())

    def _texts(self, path: Path) -> Iterator[bytes]:
        """The lines of a month, which may be many."""
        descriptor = self._fs.open(path, READ)
        try:
            offset, rest = 0, b""
            while data := self._fs.read(descriptor, _STEP, offset):
                offset += len(data)
                *whole, rest = (rest + data).split(b"\n")
                yield from whole
            yield rest
        finally:
            self._fs.close(descriptor)

    def _files(self, since: FileId | None) -> list[Path]:
        first = f"{file_id_time(since) - _SLACK:%Y/%m}" if since else ""
        years = [self._root / each.name for each in self._fs.entries(self._root) if each.kind is Kind.FOLDER]
        months = [year / each.name for year in years for each in self._fs.entries(year) if each.kind is Kind.FILE]
        return sorted(path for path in months if path.suffix == ".jsonl" and f"{path.parent.name}/{path.stem}" >= first)

    def _torn(self, path: Path) -> bool:
        try:
            descriptor = self._fs.open(path, READ)
        except FileNotFoundError:
            return False
        try:
            size = self._fs.size(descriptor)
            return size > 0 and self._fs.read(descriptor, 1, size - 1) != b"\n"
        finally:
            self._fs.close(descriptor)


def _may_be_of(text: bytes, ids: Collection[bytes]) -> bool:
    """Whether a line is worth reading: of those that begin as ours do it is seen at once whose they are."""
    return not text.startswith(_BEGINNING) or text[_ID] in ids


def _encode(line: Destroyed) -> bytes:
    members = {
        "file_id": line.file_id,
        "size": line.size,
        "sha256": line.sha256,
        "why": line.why.value,
        "by": line.by,
        "ended_at": _write_time(line.ended_at),
        "destroyed_at": _write_time(line.destroyed_at),
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _decode(text: bytes) -> Destroyed | None:
    try:
        members: dict[str, Any] = json.loads(text)
        by = members["by"]
        return Destroyed(
            file_id=parse_file_id(members["file_id"]),
            size=int(members["size"]),
            sha256=str(members["sha256"]),
            why=FileStatus(members["why"]),
            by=None if by is None else Subject(str(by)),
            ended_at=datetime.fromisoformat(members["ended_at"]),
            destroyed_at=datetime.fromisoformat(members["destroyed_at"]),
        )
    except Exception:  # noqa: BLE001 - a line may hold anything after a crash
        return None


def _write_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
