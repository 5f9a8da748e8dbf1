"""Read a file again, and write down what that shows."""

from __future__ import annotations

from datetime import datetime

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import StorageUnavailable
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Verified
from services.storage.domain.documents import Document
from services.storage.domain.keeping import Actual, Kind, Reason, judged, marked, require_judged, same, status_after
from services.storage.domain.modes import Operation
from services.storage.domain.names import folder_of
from services.storage.ports import Files, Inspection, Keeping, Pace, Scrubbing
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate

ATTEMPTS = 5
"""A file that somebody changes is read again."""

log = get_logger(__name__)


async def at_once(size: int) -> None:
    """The pace of somebody who waits for the answer."""


class VerifyFile:
    """Re-hash one file. Damage is believed only after a second read; then it is written down and set aside."""

    def __init__(
        self, *, gate: ModeGate, files: Files, inspection: Inspection, keeping: Keeping, scrubbing: Scrubbing,
        clock: Clock, finishing: Finishing,
    ) -> None:  # fmt: skip
        self._gate, self._files, self._inspection, self._keeping = gate, files, inspection, keeping
        self._scrubbing, self._clock, self._finishing = scrubbing, clock, finishing

    async def __call__(self, file_id: FileId, *, pace: Pace = at_once) -> Verified:
        """What the bytes are, and the file as it is after that: a status that was wrong is corrected.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged` if its attributes cannot be trusted,
        `ModeNotAllowed`, `StorageUnavailable`, `StorageFull`.
        """
        for _ in range(ATTEMPTS):
            self._gate.require(Operation.VERIFY)
            examined = await self._files.find(file_id)
            require_judged(examined.attributes, self._clock.now())
            actual = await self._read(examined, pace)
            at = self._clock.now()
            after = await self._finishing.run(self._settle(examined, actual, at))
            if after is not None:
                return await self._told(after, actual, at)
        raise StorageUnavailable("the file is being changed all the time; try again", retry_after=2)

    async def _read(self, document: Document, pace: Pace) -> Actual | None:
        actual = await self._inspection.reread(document, pace)
        if judged(document.attributes, actual) is FileStatus.ACTIVE:
            return actual
        again = await self._inspection.reread(document, pace)
        if again != actual:
            log.warning("a file was read differently the second time", file_id=document.attributes.file_id)
        return again

    async def _settle(self, examined: Document, actual: Actual | None, at: datetime) -> Document | None:
        """The document as it is then; None if somebody has changed it, so that it has to be looked at again."""
        file = examined.attributes
        if status_after(file, actual) is file.status and (actual is None or file.status is FileStatus.ACTIVE):
            return examined
        unchanged = False

        def decide(present: Document) -> Document:
            nonlocal unchanged
            unchanged = same(present, examined)
            return marked(present, examined, actual, at)

        async with self._gate.held(Operation.VERIFY):
            after = await self._keeping.mark(file.file_id, decide, _reason(examined, actual, at))
        return after if unchanged else None

    async def _told(self, document: Document, actual: Actual | None, at: datetime) -> Verified:
        file = document.attributes
        if file.status is FileStatus.ACTIVE:
            await self._scrubbing.verified(file.file_id, at)
        return Verified(file, file.status, actual.size if actual else None, actual.sha256 if actual else None, at)


def _reason(document: Document, actual: Actual | None, at: datetime) -> Reason:
    file = document.attributes
    return Reason(
        kind=Kind.DAMAGED,
        found_at=at,
        file_id=file.file_id,
        path=f"files/{folder_of(file.file_id)}/{document.storage_filename}",
        detail="its bytes differ from the digest in its attributes",
        expected_sha256=file.sha256,
        actual_sha256=actual.sha256 if actual else "",
    )
