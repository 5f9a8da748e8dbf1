"""Look into a storage element, and run it, in the name of an administrator."""

from __future__ import annotations

from services.admin.domain.elements import ElementRecord, check_info, heard
from services.admin.ports import ElementControl, ElementStore
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Element, ElementInfo, Mode
from services.model.errors import NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId
from services.model.maintenance import Collected
from services.model.paging import Page, PageRequest

log = get_logger(__name__)


class LookIntoElement:
    """What an element says now."""

    def __init__(self, *, elements: ElementStore, control: ElementControl) -> None:
        self._elements, self._control = elements, control

    async def info(self, element_id: ElementId, *, user: Identity) -> ElementInfo:
        """Raises `NotFound`, `StorageUnavailable`."""
        record = await _record(self._elements, element_id)
        return await self._control.info(record.address, user=user)

    async def files(
        self, element_id: ElementId, status: FileStatus | None, page: PageRequest, *, user: Identity
    ) -> Page[FileAttributes]:
        """Raises `NotFound`, `StorageUnavailable`, `ValidationFailed` for a cursor that the element did not give."""
        page.check()
        record = await _record(self._elements, element_id)
        return await self._control.files(record.address, status, page, user=user)


class TransitionElementMode:
    """Change what an element permits; the registry knows at once."""

    def __init__(self, *, elements: ElementStore, control: ElementControl, clock: Clock) -> None:
        self._elements, self._control, self._clock = elements, control, clock

    async def __call__(self, element_id: ElementId, target: Mode, *, confirm: bool, user: Identity) -> Element:
        """The element with its new mode.

        Raises `NotFound`, `InvalidTransition`, `ConfirmationRequired`, `StorageUnavailable`.
        """
        record = await _record(self._elements, element_id)
        info = await self._control.transition_mode(record.address, target, confirm=confirm, user=user)
        check_info(info)
        log.warning("audit: an element's mode was changed", by=user.subject, storage_id=record.info.storage_id,
                    was=record.info.mode, now=info.mode, revision=info.mode_revision)  # fmt: skip
        after = heard(record, info, self._clock.now())
        await self._elements.observe(after)
        return after.element


class CollectElementGarbage:
    """Have an element collect its garbage now."""

    def __init__(self, *, elements: ElementStore, control: ElementControl) -> None:
        self._elements, self._control = elements, control

    async def __call__(self, element_id: ElementId, *, confirm_clock: bool, user: Identity) -> Collected:
        """What was done, or why nothing was. Raises `NotFound`, `ModeNotAllowed`, `StorageUnavailable`."""
        record = await _record(self._elements, element_id)
        done = await self._control.run_gc(record.address, confirm_clock=confirm_clock, user=user)
        log.warning("audit: garbage was collected on request", by=user.subject, storage_id=record.info.storage_id,
                    confirm_clock=confirm_clock, destroyed=done.destroyed, refused=done.refused)  # fmt: skip
        return done


async def _record(elements: ElementStore, element_id: ElementId) -> ElementRecord:
    record = await elements.get(element_id)
    if record is None:
        raise NotFound("there is no such storage element")
    return record
