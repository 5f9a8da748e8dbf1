"""Change how a storage element is registered, or forget it."""

from __future__ import annotations

from dataclasses import replace

from services.admin.domain.elements import ElementRecord, heard, require_same
from services.admin.ports import ElementPeer, ElementStore, FileRegistry
from services.admin.usecases.register_element import check_name, identify
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Element, parse_endpoint
from services.model.errors import Conflict, NotFound, ValidationFailed
from services.model.ids import ElementId

BATCH = 10_000
"""Rows that are forgotten by one statement: far from its limit of time, however slow the disk."""
ATTEMPTS = 5
"""How often the last look may find that files have come in meanwhile."""

log = get_logger(__name__)


class UpdateElement:
    """Change its name, or its address: the element itself must answer there."""

    def __init__(self, *, elements: ElementStore, peer: ElementPeer, clock: Clock) -> None:
        self._elements = elements
        self._peer = peer
        self._clock = clock

    async def __call__(
        self, element_id: ElementId, *, name: str | None, endpoint: str | None, user: Identity
    ) -> Element:
        """The changed element; None leaves a field as it is, an empty name is its storage id.

        Raises `ValidationFailed`, `NotFound`, `StorageUnavailable`, and `Conflict` when another element answers there.
        """
        if name is None and endpoint is None:
            raise ValidationFailed("nothing to change: give name or endpoint")
        check_name(name or "")
        record = await self._elements.get(element_id)
        if record is None:
            raise _unknown()
        if name is not None:
            record = replace(record, name=name or record.info.storage_id)
        if endpoint is not None:
            record = await self._moved(record, parse_endpoint(endpoint))
        if not await self._elements.change(record):
            raise _unknown()
        log.warning("audit: an element was changed", by=user.subject, storage_id=record.info.storage_id,
                    renamed=name is not None, moved=endpoint is not None)  # fmt: skip
        return record.element

    async def _moved(self, record: ElementRecord, endpoint: str) -> ElementRecord:
        info = await identify(self._peer, endpoint)
        require_same(record, info)
        return heard(replace(record, endpoint=endpoint), info, self._clock.now())


class RemoveElement:
    """Forget an element and, if that is really meant, its rows; its disk is left alone."""

    def __init__(self, *, elements: ElementStore, registry: FileRegistry) -> None:
        self._elements = elements
        self._registry = registry

    async def __call__(self, element_id: ElementId, *, force: bool, user: Identity) -> int:
        """How many files went from the registry with it; registering it again brings them back.

        Raises `NotFound`, and `Conflict` while the registry has files of it and `force` is not given.
        """
        gone = 0
        for _ in range(ATTEMPTS):
            if force:
                gone += await self._forget_files(element_id)
            try:
                if not await self._elements.remove(element_id):
                    raise _unknown()
            except Conflict:
                if not force:
                    raise
            else:
                log.warning("audit: an element was removed", by=user.subject, element_id=element_id, files=gone)
                return gone
        raise Conflict("files keep coming in from this element: stop it first")

    async def _forget_files(self, element_id: ElementId) -> int:
        gone = 0
        while went := await self._registry.forget(element_id, limit=BATCH):
            gone += went
        return gone


def _unknown() -> NotFound:
    return NotFound("there is no such storage element")
