"""The state of the elements' files, in the name of whoever asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from clients.storage import StoragePool
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.files import FileAttributes
from services.model.ids import FileId, QuarantineId
from services.model.maintenance import (
    QuarantineItem,
    ReconcileProgress,
    ReconcileReport,
    ScrubProgress,
    ScrubReport,
    Verified,
)
from services.model.paging import Page, PageRequest


class StorageKeeping:
    """`ports.ElementKeeping`, `ports.Reconciling` and `ports.Scrubbing` by `clients.storage`."""

    def __init__(self, pool: StoragePool) -> None:
        self._pool = pool

    async def verify(self, address: ElementAddress, file_id: FileId, *, user: Identity) -> Verified:
        return await self._pool.client(address).keeping.verify(file_id, on_behalf_of=user)

    async def quarantine(self, address: ElementAddress, page: PageRequest, *, user: Identity) -> Page[QuarantineItem]:
        return await self._pool.client(address).keeping.quarantine(page, on_behalf_of=user)

    def reconcile(
        self, address: ElementAddress, *, quick: bool, user: Identity
    ) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        return self._pool.client(address).keeping.reconcile(quick=quick, on_behalf_of=user)

    def scrub(self, address: ElementAddress, *, user: Identity) -> AsyncGenerator[ScrubProgress | ScrubReport, None]:
        return self._pool.client(address).keeping.scrub(on_behalf_of=user)

    async def restore(self, address: ElementAddress, item_id: QuarantineId, *, user: Identity) -> FileAttributes:
        return await self._pool.client(address).keeping.restore(item_id, on_behalf_of=user)
