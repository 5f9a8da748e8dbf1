"""Register a storage element, or find one again that has moved; ask an address what it is."""

from __future__ import annotations

from uuid import uuid4

from services.admin.domain.elements import ElementRecord, check_info, healthy
from services.admin.domain.operations import ITSELF
from services.admin.ports import ElementPeer, ElementStore
from services.admin.usecases.operations import StartOperation
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Element, ElementInfo, parse_endpoint
from services.model.errors import DeadlineExceeded, InternalError, StorageUnavailable, ValidationFailed
from services.model.ids import ElementId
from services.model.operations import OperationKind

MAX_NAME_LENGTH = 200

log = get_logger(__name__)


class RegisterElement:
    """Asks the address what it is; its identity, not its address, decides which element it is."""

    def __init__(self, *, elements: ElementStore, peer: ElementPeer, clock: Clock, start: StartOperation) -> None:
        self._elements = elements
        self._peer = peer
        self._clock = clock
        self._start = start

    async def __call__(self, endpoint: str, name: str) -> tuple[Element, bool]:
        """Return the element and whether it is new; a full sync of it has been started.

        `name`: for people; empty: its storage id. Raises `ValidationFailed`, `StorageUnavailable`, `Conflict`.
        """
        parse_endpoint(endpoint)
        check_name(name)
        info = await identify(self._peer, endpoint)
        now = self._clock.now()
        record = ElementRecord(
            element_id=ElementId(str(uuid4())),
            name=name or info.storage_id,
            endpoint=endpoint,
            info=info,
            health=healthy(info, now),
            last_seen_at=now,
            created_at=now,
        )
        kept, created = await self._elements.register(record, name=name or None)
        # Whatever it holds is to be in the registry, also if that was lost, or the element was elsewhere for a while.
        await self._start(OperationKind.SYNC, kept.element_id, {}, by=ITSELF)
        log.info("element registered" if created else "element registered again", storage_id=info.storage_id)
        return kept.element, created


class DiscoverElement:
    """Ask an address what it is, and register nothing."""

    def __init__(self, *, elements: ElementStore, peer: ElementPeer) -> None:
        self._elements = elements
        self._peer = peer

    async def __call__(self, endpoint: str) -> tuple[ElementInfo, ElementId | None]:
        """What answers there, and under which id it is registered, if it is.

        Raises `ValidationFailed`, `StorageUnavailable`.
        """
        info = await identify(self._peer, parse_endpoint(endpoint))
        known = (each for each in await self._elements.all() if each.info.element_uuid == info.element_uuid)
        return info, next((each.element_id for each in known), None)


async def identify(peer: ElementPeer, endpoint: str) -> ElementInfo:
    """What answers at an address. Raises `StorageUnavailable` with the reason if that is no element of ours."""
    try:
        info = await peer.identify(endpoint)
        check_info(info)
        return info
    except StorageUnavailable:
        raise StorageUnavailable("no storage element of this installation answers at that endpoint") from None
    except DeadlineExceeded:
        raise StorageUnavailable("the storage element does not answer in time") from None
    except (ValidationFailed, InternalError):
        raise StorageUnavailable("what answers at that endpoint is not understood") from None


def check_name(name: str) -> None:
    """Raise `ValidationFailed` unless people may call an element so."""
    if len(name) > MAX_NAME_LENGTH or not (name.isprintable() or not name):
        raise ValidationFailed.of("name", f"must be at most {MAX_NAME_LENGTH} printable characters")
