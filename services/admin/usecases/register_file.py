"""Keep the registry's rows true to what elements answer."""

from __future__ import annotations

from services.admin.domain.registry import Entry, Located
from services.admin.ports import FileRegistry
from services.admin.usecases.batches import Batches
from services.model.errors import NotFound
from services.model.files import FileAttributes
from services.model.ids import FileId


class RegisterFile:
    """Bring one row up to what an element answered; those of many callers share a statement and its commit."""

    def __init__(self, *, registry: FileRegistry) -> None:
        self._batches = Batches(registry.record)

    async def __call__(self, entry: Entry) -> FileAttributes:
        """Return the row as it is now: a later revision wins. Raises `ValidationFailed`, `NotFound` (the element)."""
        entry.check()
        return await self._batches.add(entry)


class LocateFile:
    """Where a document lies."""

    def __init__(self, *, registry: FileRegistry) -> None:
        self._registry = registry

    async def __call__(self, file_id: FileId) -> Located:
        """Raises `NotFound`."""
        located = await self._registry.find(file_id)
        if located is None:
            raise NotFound("there is no such file")
        return located
