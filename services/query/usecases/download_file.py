"""Hand out a document's content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import (
    ArtStoreError,
    FileDeleted,
    FileExpired,
    FileMissing,
    NotFound,
    ServiceUnavailable,
    StorageUnavailable,
)
from services.model.files import ByteRange
from services.model.ids import FileId
from services.query.domain.serving import require_served, require_the_same, require_within
from services.query.ports import ElementDownload, Elements, Registry, Repairs

log = get_logger(__name__)


class DownloadFile:
    """Open a download on the element that holds the document; heal the registry where the element does not."""

    def __init__(self, *, registry: Registry, elements: Elements, repairs: Repairs, clock: Clock) -> None:
        self._registry = registry
        self._elements = elements
        self._repairs = repairs
        self._clock = clock

    @asynccontextmanager
    async def __call__(
        self, file_id: FileId, wanted: ByteRange | None, *, by: Identity
    ) -> AsyncIterator[ElementDownload]:
        """Entered once the element has begun, and what it has is what was registered. `wanted` None: the whole.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileMissing`, `FileDamaged`, `RangeNotSatisfiable` before
        the element is asked; `StorageUnavailable` when it is not reached.
        """
        record = await self._registry.record(file_id)
        if record is None:
            raise NotFound("there is no document with this id")
        require_served(record.file, self._clock.now())
        require_within(wanted, record.file.size)
        async with AsyncExitStack() as stack:
            opening = self._elements.client(record.element).download(file_id, wanted, on_behalf_of=by)
            try:
                download = await stack.enter_async_context(opening)
            except (NotFound, FileDeleted, FileExpired):
                raise await self._lost(file_id, by) from None
            require_the_same(download.file, record.file)
            yield download

    async def _lost(self, file_id: FileId, by: Identity) -> ArtStoreError:
        """What to answer for a document that the registry knows and its element does not."""
        log.warning("the element does not have a registered document any more", file_id=file_id)
        try:
            require_served(await self._repairs.mark_missing(file_id, on_behalf_of=by), self._clock.now())
        except ServiceUnavailable:
            return FileMissing("the document's storage element does not know it")
        except ArtStoreError as refusal:
            return refusal
        return StorageUnavailable("the document's storage element did not find it at once; try again", retry_after=1)
