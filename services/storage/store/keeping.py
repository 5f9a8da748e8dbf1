"""What is done about files that are not as they should be: marked, set aside, put back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.errors import (
    FileDamaged,
    FileDeleted,
    FileExpired,
    Forbidden,
    NotFound,
    StorageFull,
    ValidationFailed,
)
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, QuarantineId, parse_quarantine_id
from services.model.maintenance import Issue, QuarantineItem
from services.model.paging import Page, PageRequest
from services.storage.domain.documents import Document
from services.storage.domain.keeping import Examined, Reason
from services.storage.domain.surveying import Strange
from services.storage.ports import Pace
from services.storage.store.documents import DocumentFiles
from services.storage.store.files import Parts
from services.storage.store.health import reading
from services.storage.store.hours import Hour
from services.storage.store.locks import FileLocks
from services.storage.store.rereading import Rereading
from services.storage.store.shelf import Shelf

BATCH = 500
"""Names of a folder that are looked at together."""

log = get_logger(__name__)


class ElementKeeping:
    """Fills `ports.Keeping`."""

    def __init__(self, parts: Parts, locks: FileLocks) -> None:
        """`locks`: those of the files, which everybody who changes one holds."""
        self._parts, self._locks = parts, locks
        self._fs, self._layout = parts.fs, parts.layout
        self._documents = DocumentFiles(parts.fs, parts.layout)
        self._shelf = Shelf(parts.fs, parts.layout)
        self._rereading = Rereading(parts.fs, parts.reads)

    async def mark(self, file_id: FileId, decide: Callable[[Document], Document], reason: Reason) -> Document:
        async with self._locks.hold(file_id):
            return await self._parts.writes.run(self._parts.reserve.spending, self._mark, file_id, decide, reason)

    async def set_aside(self, strange: Strange, reason: Reason) -> QuarantineId | None:
        assert strange.file_id is not None, "what has no id is only told"
        async with self._locks.hold(strange.file_id):
            return await self._parts.writes.run(self._set_aside, strange, reason)

    async def forget(self, file_id: FileId) -> bool:
        async with self._locks.hold(file_id):
            return await self._parts.writes.run(self._forget, file_id)

    async def items(self, page: PageRequest) -> Page[QuarantineItem]:
        after = _read_cursor(page.cursor) if page.cursor else None
        return await self._parts.reads.run(self._items, page, after)

    async def examine(self, item_id: QuarantineId, pace: Pace) -> Examined:
        path, stamp = await self._parts.writes.run(self._parts.charge.writing.restoring.begin, item_id)
        actual = await self._rereading(path, pace)
        if actual is None:
            raise NotFound("nothing of that name was set aside")
        return Examined(actual, stamp)

    async def restore(self, item_id: QuarantineId, examined: Examined, at: datetime) -> FileAttributes:
        file_id = await self._parts.reads.run(self._parts.charge.writing.restoring.file_id, item_id)
        async with self._locks.hold(file_id):
            return await self._parts.writes.run(self._restore, item_id, examined, at)

    def _mark(self, file_id: FileId, decide: Callable[[Document], Document], reason: Reason) -> Document:
        document = self._parts.charge.writing.commits.rewrite(file_id, decide)
        path = self._layout.data(file_id, document.storage_filename)
        with reading():
            there = self._fs.exists(path)
        if document.attributes.status is FileStatus.DAMAGED and there:
            try:
                self._move([path], reason)
            except (StorageFull, Forbidden) as error:
                log.warning("damaged bytes stay where they are", file_id=file_id, reason=error.message)
        return document

    def _restore(self, item_id: QuarantineId, examined: Examined, at: datetime) -> FileAttributes:
        restoring = self._parts.charge.writing.restoring
        file = self._parts.reserve.spending(restoring.restore, item_id, examined, at)
        restoring.leave(item_id)
        return file

    def _set_aside(self, strange: Strange, reason: Reason) -> QuarantineId | None:
        folder, _, name = strange.path.rpartition("/")
        if not self._still(strange, folder):
            return None
        names = [name, strange.beside] if strange.beside else [name]
        paths = [self._layout.files / folder / each for each in names]
        item = self._move(paths, reason)
        if item and strange.issue is Issue.CORRUPT and strange.file_id is not None:
            self._parts.index.put([], gone=[strange.file_id])
        return item

    def _still(self, strange: Strange, folder: str) -> bool:
        """Look again at all that has the file's id in its name, now that nothing is under way."""
        try:
            with reading():
                found_there = self._fs.scan(self._layout.files / folder, BATCH)
                entries = (each for some in found_there for each in some)
                of_file = [each for each in entries if strange.file_id is None or strange.file_id in each.name]
                found = Hour(self._fs, self._layout, self._documents, folder).survey(of_file).strange
        except FileNotFoundError:
            return False
        return any(
            (each.issue, each.path, each.beside) == (strange.issue, strange.path, strange.beside) for each in found
        )

    def _move(self, paths: Sequence[Path], reason: Reason) -> QuarantineId | None:
        """None if they have gone, by somebody's hand."""
        writing = self._parts.charge.writing
        with writing.disk.health.preparing():
            try:
                return writing.quarantine.set_aside(paths, reason)
            except FileNotFoundError as error:
                if all(map(self._fs.exists, paths)):
                    raise  # it is the folder of our epoch that has gone: we lead no more
                log.warning("what was to be set aside has gone", error=str(error))
                return None
            except PermissionError as error:
                log.warning("something cannot be set aside", error=str(error))
                raise Forbidden("the system does not let the element move it") from error

    def _forget(self, file_id: FileId) -> bool:
        try:
            self._parts.lookup.find(file_id)  # wherever it lies, the index knows it then
        except NotFound:
            self._parts.index.put([], gone=[file_id])
            return True
        except (FileDeleted, FileExpired):
            self._parts.index.put([], gone=[file_id])
        except FileDamaged:
            pass
        return False

    def _items(self, page: PageRequest, after: QuarantineId | None) -> Page[QuarantineItem]:
        with reading():
            names = self._shelf.names()
            rest = [each for each in names if each > after] if after else names[page.offset :]
            shown = rest[: page.limit]
            items = [item for each in shown if (item := self._item(each)) is not None]
        more = len(rest) > page.limit
        return Page(items, total=len(names), has_more=more, next_cursor=_write_cursor(shown[-1]) if more else "")

    def _item(self, item_id: QuarantineId) -> QuarantineItem | None:
        try:
            return self._shelf.item(item_id)
        except FileNotFoundError:
            return None  # it was restored meanwhile


def _write_cursor(item_id: QuarantineId) -> str:
    return base64.urlsafe_b64encode(item_id.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> QuarantineId:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return parse_quarantine_id(base64.b64decode(padded, b"-_", validate=True).decode("ascii"))
    except (ValueError, binascii.Error, ValidationFailed):
        raise ValidationFailed.of("cursor", "is not one that was given out here") from None
