"""The state of documents on the elements, asked in the name of a user; the registry learns it at once."""

from __future__ import annotations

from dataclasses import replace

from services.admin.domain.registry import Entry
from services.admin.ports import ElementKeeping, ElementStore, FileRegistry
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.errors import NotFound, StorageUnavailable
from services.model.files import FileAttributes
from services.model.ids import ElementId, FileId, QuarantineId
from services.model.maintenance import QuarantineItem, Verified
from services.model.paging import Page, PageRequest

log = get_logger(__name__)


class VerifyFile:
    """Have a document read again by the element that has it."""

    def __init__(self, *, registry: FileRegistry, keeping: ElementKeeping) -> None:
        self._registry, self._keeping = registry, keeping

    async def __call__(self, file_id: FileId, *, user: Identity) -> Verified:
        """What that has shown, and the document as the registry has it then.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged`, `ModeNotAllowed`, `StorageUnavailable`.
        """
        located = await self._registry.find(file_id)
        if located is None:
            raise NotFound("there is no such file")
        found = await self._keeping.verify(located.element, file_id, user=user)
        if found.file.file_id != file_id:
            raise StorageUnavailable("the storage element answers for another file")
        return replace(found, file=await _recorded(self._registry, located.element.element_id, found.file))


class ListElementQuarantine:
    """What an element has set aside, oldest first."""

    def __init__(self, *, elements: ElementStore, keeping: ElementKeeping) -> None:
        self._elements, self._keeping = elements, keeping

    async def __call__(self, element_id: ElementId, page: PageRequest, *, user: Identity) -> Page[QuarantineItem]:
        """A page of it. Raises `NotFound`, `StorageUnavailable`, `ValidationFailed`."""
        page.check()
        record = await self._elements.get(element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        return await self._keeping.quarantine(record.address, page, user=user)


class RestoreQuarantinedItem:
    """Have an element put back what it had set aside."""

    def __init__(self, *, elements: ElementStore, registry: FileRegistry, keeping: ElementKeeping) -> None:
        self._elements, self._registry, self._keeping = elements, registry, keeping

    async def __call__(self, element_id: ElementId, item_id: QuarantineId, *, user: Identity) -> FileAttributes:
        """The document as the registry has it then.

        Raises `NotFound`, `Conflict` with the reason why it cannot be, `ModeNotAllowed`, `FileDeleted`, `FileExpired`,
        `StorageFull`, `StorageUnavailable`.
        """
        record = await self._elements.get(element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        file = await self._keeping.restore(record.address, item_id, user=user)
        log.warning("audit: restored from the quarantine", by=user.subject, storage_id=record.info.storage_id,
                    item=item_id, file_id=file.file_id)  # fmt: skip
        return await _recorded(self._registry, element_id, file)


async def _recorded(registry: FileRegistry, element_id: ElementId, file: FileAttributes) -> FileAttributes:
    entry = Entry(element_id, file)
    entry.check()
    return (await registry.record([entry]))[0]
