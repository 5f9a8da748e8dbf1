"""Ask every element how it is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.admin.domain.elements import ElementRecord, Silence, check_info, heard, silent
from services.admin.ports import ElementPeer, ElementStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, DeadlineExceeded, ServiceUnavailable, StorageUnavailable

log = get_logger(__name__)


class WatchElements:
    """One pass over all elements, each by itself: one that hangs delays no other."""

    def __init__(self, *, elements: ElementStore, peer: ElementPeer, clock: Clock, patience: timedelta) -> None:
        """`patience`: how long one that answers too slowly still counts as what it was."""
        self._elements = elements
        self._peer = peer
        self._clock = clock
        self._patience = patience

    async def __call__(self) -> int:
        """Return how many elements changed their status; none while the store is away, which tells by itself."""
        try:
            return sum(await asyncio.gather(*(self._look_at(each) for each in await self._elements.all())))
        except ServiceUnavailable:
            return 0

    async def _look_at(self, before: ElementRecord) -> bool:
        after = await self._seen(before)
        if after is before or not await self._elements.observe(after):
            return False
        if after.health.status is before.health.status:
            return False
        log.warning(
            "element changed its status",
            storage_id=before.info.storage_id,
            was=before.health.status,
            now=after.health.status,
            reason=after.health.reason,
        )
        return True

    async def _seen(self, before: ElementRecord) -> ElementRecord:
        try:
            info = await self._peer.info(before.address)
            check_info(info)
        except ArtStoreError as error:
            return silent(before, _silence(error), self._clock.now(), patience=self._patience)
        return heard(before, info, self._clock.now())


def _silence(error: ArtStoreError) -> Silence:
    if isinstance(error, StorageUnavailable | ServiceUnavailable):
        return Silence.UNREACHABLE
    return Silence.SLOW if isinstance(error, DeadlineExceeded) else Silence.NONSENSE
