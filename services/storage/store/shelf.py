"""What lies in the quarantine; see `quarantine.py`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.errors import ValidationFailed
from services.model.ids import FileId, QuarantineId, parse_file_id
from services.model.maintenance import QuarantineItem
from services.storage.domain.seal import CorruptDocument, unseal
from services.storage.store.durable import read_file
from services.storage.store.fs import FileSystem, Kind
from services.storage.store.layout import Layout

REASON = "reason.json"
REASON_AT_MOST = 64 << 10
_ITEM = re.compile(r"([0-9]{8}T[0-9]{6})([0-9]{0,6})_([0-9a-z]{1,20})[0-9a-z_-]{0,80}")

log = get_logger(__name__)


class Shelf:
    """Reads it. In threads only; raises `OSError` as the disk does."""

    def __init__(self, fs: FileSystem, layout: Layout) -> None:
        self._fs, self._root = fs, layout.quarantine

    def names(self) -> list[QuarantineId]:
        """What is there, oldest first."""
        found = [each.name for each in self._fs.entries(self._root) if each.kind is Kind.FOLDER]
        return sorted(QuarantineId(name) for name in found if _ITEM.fullmatch(name))

    def item(self, item_id: QuarantineId) -> QuarantineItem:
        """What is known of one. Raises `FileNotFoundError` if it is not there."""
        names = self.content(item_id)
        reason = self._reason(item_id)
        size = sum(self._fs.length(self._root / item_id / name) for name in names)
        found = _ITEM.fullmatch(item_id)
        kind = found[3] if found else ""
        text = reason.get
        return QuarantineItem(
            item_id=item_id,
            kind=text("kind", kind),
            set_aside_at=_time_in(item_id),
            file_id=_file_id(text("file_id", "")),
            path=text("path", ""),
            names=tuple(names),
            size=size,
            reason=text("detail", "" if reason else "nobody has written down why it was set aside"),
            expected_sha256=text("expected_sha256", ""),
            actual_sha256=text("actual_sha256", ""),
        )

    def content(self, item_id: QuarantineId) -> list[str]:
        """Names of the files in it, the reason left out. Raises `FileNotFoundError`."""
        entries = self._fs.entries(self._root / item_id)
        return sorted(each.name for each in entries if each.kind is Kind.FILE and each.name != REASON)

    def path(self, item_id: QuarantineId, name: str) -> Path:
        """Where a file of an item lies."""
        return self._root / item_id / name

    def holds_anything(self, item_id: QuarantineId) -> bool:
        """Whether it is more than the beginning of one."""
        return any(each.name != REASON for each in self._fs.entries(self._root / item_id))

    def _reason(self, item_id: QuarantineId) -> dict[str, str]:
        try:
            members = unseal(read_file(self._fs, self._root / item_id / REASON, REASON_AT_MOST))
        except FileNotFoundError:
            return {}
        except CorruptDocument as error:
            log.warning("a reason cannot be trusted", item=item_id, reason=str(error))
            return {}
        return {name: value for name, value in members.items() if isinstance(value, str)}


def _time_in(item_id: QuarantineId) -> datetime:
    found = _ITEM.fullmatch(item_id)
    try:
        whole = datetime.strptime(found[1] if found else "", "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return whole.replace(microsecond=int(found[2].ljust(6, "0")) if found else 0)


def _file_id(text: str) -> FileId | None:
    try:
        return parse_file_id(text)
    except ValidationFailed:
        return None
