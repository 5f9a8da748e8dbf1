"""What was set aside, and how it comes back."""

from __future__ import annotations

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.files import FileAttributes
from services.model.ids import QuarantineId, Subject
from services.model.maintenance import QuarantineItem
from services.model.paging import Page, PageRequest
from services.storage.domain.keeping import Examined
from services.storage.domain.modes import Operation
from services.storage.ports import Keeping, Pace
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.verify_file import at_once

log = get_logger(__name__)


class ListQuarantine:
    """Everything that was set aside, oldest first."""

    def __init__(self, *, gate: ModeGate, keeping: Keeping) -> None:
        self._gate, self._keeping = gate, keeping

    async def __call__(self, page: PageRequest) -> Page[QuarantineItem]:
        """A page of it. Raises `ValidationFailed`, `StorageUnavailable`."""
        self._gate.require(Operation.READ)
        page.check()
        return await self._keeping.items(page)


class RestoreQuarantined:
    """Put something back where it belongs."""

    def __init__(self, *, gate: ModeGate, keeping: Keeping, clock: Clock, finishing: Finishing) -> None:
        self._gate, self._keeping, self._clock, self._finishing = gate, keeping, clock, finishing

    async def __call__(self, item_id: QuarantineId, *, by: Subject, pace: Pace = at_once) -> FileAttributes:
        """The file as it is then. Its bytes are read again first, and must be those of its attributes.

        Raises `NotFound`, `Conflict` with the reason why it cannot be, `ModeNotAllowed`, `FileDeleted`, `FileExpired`,
        `StorageFull`, `StorageUnavailable`.
        """
        self._gate.require(Operation.VERIFY)
        examined = await self._keeping.examine(item_id, pace)  # before the mode is held: it may take minutes
        file = await self._finishing.run(self._restore(item_id, examined))
        log.warning("audit: restored from the quarantine", item=item_id, file_id=file.file_id, by=by)
        return file

    async def _restore(self, item_id: QuarantineId, examined: Examined) -> FileAttributes:
        async with self._gate.held(Operation.VERIFY):
            return await self._keeping.restore(item_id, examined, self._clock.now())
