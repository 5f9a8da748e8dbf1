"""Storage elements as Admin runs them, in the name of whoever asked."""

from __future__ import annotations

from clients.storage import StoragePool
from services.chassis.caller import Identity
from services.model.elements import ElementAddress, ElementInfo, Mode
from services.model.files import FileAttributes, FileStatus
from services.model.maintenance import Collected
from services.model.paging import Page, PageRequest


class StorageControl:
    """`ports.ElementControl` by `clients.storage`."""

    def __init__(self, pool: StoragePool) -> None:
        self._pool = pool

    async def info(self, address: ElementAddress, *, user: Identity) -> ElementInfo:
        return await self._pool.client(address).info(on_behalf_of=user)

    async def files(
        self, address: ElementAddress, status: FileStatus | None, page: PageRequest, *, user: Identity
    ) -> Page[FileAttributes]:
        return await self._pool.client(address).files(status, page, on_behalf_of=user)

    async def transition_mode(
        self, address: ElementAddress, target: Mode, *, confirm: bool, user: Identity
    ) -> ElementInfo:
        control = self._pool.client(address).control
        return await control.transition_mode(target, confirm=confirm, on_behalf_of=user)

    async def run_gc(self, address: ElementAddress, *, confirm_clock: bool, user: Identity) -> Collected:
        return await self._pool.client(address).control.run_gc(confirm_clock=confirm_clock, on_behalf_of=user)
