"""Tell what is known of a document."""

from __future__ import annotations

from dataclasses import replace

from services.model.clock import Clock
from services.model.errors import NotFound
from services.model.files import FileAttributes
from services.model.ids import FileId
from services.query.ports import Registry


class GetFile:
    """One document's attributes, whatever its status."""

    def __init__(self, *, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    async def __call__(self, file_id: FileId) -> FileAttributes:
        """Return them with the status that counts now. Raises `NotFound`."""
        record = await self._registry.record(file_id)
        if record is None:
            raise NotFound("there is no document with this id")
        return replace(record.file, status=record.file.status_at(self._clock.now()))
