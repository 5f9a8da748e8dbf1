"""The registry of Admin in memory: it keeps the contract of its port (see `tests/contract`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.admin.domain.registry import Entry, Located, supersedes
from services.admin.domain.sync import Known
from services.admin.domain.sync import Place as SyncPlace
from services.model.errors import NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId
from tests.doubles.admin_stores import MemoryElements


class MemoryRegistry:
    """Fills `ports.FileRegistry`."""

    def __init__(self, elements: MemoryElements) -> None:
        self._elements = elements
        self.rows: dict[FileId, Entry] = {}
        self.adding = asyncio.Event()
        """While it is not set, nothing is added."""
        self.adding.set()
        elements.holding = lambda element_id: any(row.element_id == element_id for row in self.rows.values())

    async def record(self, entries: Sequence[Entry]) -> Sequence[FileAttributes]:
        if any(entry.element_id not in self._elements.records for entry in entries):
            raise NotFound("the storage element is not registered")
        for entry in entries:
            old = self.rows.get(entry.file.file_id)
            if old is None or supersedes(entry.file, old.file):
                self.rows[entry.file.file_id] = entry
        return [self.rows[entry.file.file_id].file for entry in entries]

    async def find(self, file_id: FileId) -> Located | None:
        row = self.rows.get(file_id)
        return Located(row.file, self._elements.records[row.element_id].address) if row else None

    async def mark_missing(self, seen: Located) -> FileAttributes:
        row = self.rows.get(seen.file.file_id)
        if row is None:
            raise NotFound("there is no such file")
        if row.file.revision == seen.file.revision and row.element_id == seen.element.element_id:
            row = replace(row, file=replace(row.file, status=FileStatus.MISSING))
            self.rows[row.file.file_id] = row
        return row.file

    async def bring(self, entries: Sequence[Entry]) -> int:
        before = dict(self.rows)
        await self.record(entries)
        return sum(before.get(file_id) != row for file_id, row in self.rows.items())

    async def overrule(self, entries: Sequence[Entry], seen: Mapping[FileId, Known]) -> int:
        still = [each for each in entries if _known(self.rows[each.file.file_id]) == seen[each.file.file_id]]
        self.rows |= {each.file.file_id: each for each in still}
        return len(still)

    async def add(self, entries: Sequence[Entry]) -> None:
        await self.adding.wait()
        await self.record(entries)

    async def stretch(
        self, element_id: ElementId, ids: Sequence[FileId], after: SyncPlace | None, until: SyncPlace | None
    ) -> Sequence[Known]:
        def inside(row: Entry) -> bool:
            place = (row.file.uploaded_at, row.file.file_id)
            begun = after is None or place > (after.uploaded_at, after.file_id)
            return (
                row.element_id == element_id
                and begun
                and (until is None or place <= (until.uploaded_at, until.file_id))
            )

        return [_known(row) for row in self.rows.values() if row.file.file_id in ids or inside(row)]

    async def mark_gone(self, element_id: ElementId, gone: Sequence[tuple[FileId, int]]) -> int:
        marked = 0
        for file_id, revision in gone:
            row = self.rows.get(file_id)
            if row and (row.element_id, row.file.revision) == (element_id, revision):
                marked += row.file.status is not FileStatus.MISSING
                self.rows[file_id] = replace(row, file=replace(row.file, status=FileStatus.MISSING))
        return marked

    async def forget(self, element_id: ElementId, *, limit: int) -> int:
        going = [file_id for file_id, row in self.rows.items() if row.element_id == element_id][:limit]
        for file_id in going:
            del self.rows[file_id]
        return len(going)


def _known(row: Entry) -> Known:
    file = row.file
    return Known(file.file_id, row.element_id, file.revision, file.status, file.epoch, file.updated_at, file.sha256)
