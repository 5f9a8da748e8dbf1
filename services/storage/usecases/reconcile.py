"""Reconciliation: compare attributes, bytes and index, and say what does not agree. Nothing of it destroys a byte."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, FileDeleted, FileExpired, NotFound
from services.model.files import FileStatus
from services.model.ids import FileId, QuarantineId
from services.model.maintenance import Finding, Issue, ReconcileProgress, ReconcileReport
from services.storage.domain.keeping import JUDGED, Kind, Reason, finding_of
from services.storage.domain.modes import PERMITTED, Operation
from services.storage.domain.names import folder_of
from services.storage.domain.surveying import Seen, Strange
from services.storage.ports import Files, Inspection, Keeping, Pace
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.verify_file import VerifyFile

LISTED = 1000
"""Findings that a report lists; the others are counted."""
SET_ASIDE = {Issue.ORPHANED: Kind.ORPHANED, Issue.CORRUPT: Kind.CORRUPT, Issue.DUPLICATE: Kind.DUPLICATE}
"""What goes to the quarantine; everything else stays where it is."""

log = get_logger(__name__)


@dataclass(slots=True)
class Run:
    """One reconciliation, while it goes on."""

    thorough: bool
    started_at: datetime
    total: int
    done: int = 0
    corrected: int = 0
    counts: Counter[Issue] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def progress(self) -> ReconcileProgress:
        return ReconcileProgress(self.done, max(self.total, self.done), self.counts.total())

    def add(self, finding: Finding) -> None:
        """Take note of something."""
        self.counts[finding.issue] += 1
        if len(self.findings) < LISTED:
            self.findings.append(finding)

    def report(self, at: datetime) -> ReconcileReport:
        """What is known at the end."""
        return ReconcileReport(
            started_at=self.started_at,
            finished_at=at,
            thorough=self.thorough,
            files=self.done,
            counts={issue: self.counts[issue] for issue in Issue},
            findings=tuple(self.findings),
            omitted=self.counts.total() - len(self.findings),
            corrected=self.corrected,
        )


class Reconcile:
    """One pass over everything below `files/`."""

    def __init__(
        self, *, gate: ModeGate, files: Files, inspection: Inspection, keeping: Keeping, verify: VerifyFile,
        clock: Clock, pace: Pace, finishing: Finishing,
    ) -> None:  # fmt: skip
        self._gate, self._files, self._inspection, self._keeping = gate, files, inspection, keeping
        self._verify, self._clock, self._pace, self._finishing = verify, clock, pace, finishing

    def begin(self, *, thorough: bool) -> Run:
        """A pass that is about to start. `thorough`: every byte is read, instead of comparing sizes alone."""
        return Run(thorough, self._clock.now(), sum(self._files.usage().files.values()))

    async def __call__(self, run: Run) -> ReconcileReport:
        """What was found and done; `run` shows meanwhile how far it has come.

        In mode `ar`, where the content is elsewhere, only attributes are looked at, and nothing is moved. Raises
        `StorageUnavailable` while the index is incomplete or the disk cannot be read.
        """
        self._gate.require(Operation.READ)
        async for surveyed in self._inspection.folders():
            for strange in surveyed.strange:
                run.add(await self._strange(strange))
            run.corrected += await self._inspection.correct([each.document for each in surveyed.seen])
            for seen in surveyed.seen:
                await self._compare(seen, run)
                run.done += 1
        async for file_id in self._inspection.unfounded():
            await self._unfounded(file_id, run)
        report = run.report(self._clock.now())
        log.info("the element was reconciled", files=report.files, corrected=report.corrected, thorough=run.thorough,
                 **{issue.value: count for issue, count in report.counts.items() if count})  # fmt: skip
        return report

    @property
    def _may_move(self) -> bool:
        return Operation.VERIFY in PERMITTED[self._gate.mode]

    async def _strange(self, strange: Strange) -> Finding:
        kind, moved, detail = SET_ASIDE.get(strange.issue), None, strange.detail
        if kind is not None and self._may_move and not strange.unread:
            try:
                moved = await self._finishing.run(self._set_aside(strange, kind))
                detail += "; it was set aside" if moved else "; it was gone or in order when looked at again"
            except ArtStoreError as error:
                detail += f"; it stays where it is: {error.message}"
        log.warning("found on the disk", issue=strange.issue, path=strange.path, detail=detail)
        return Finding(strange.issue, strange.path, strange.file_id, detail, moved)

    async def _set_aside(self, strange: Strange, kind: Kind) -> QuarantineId | None:
        path = f"files/{strange.path}"
        reason = Reason(kind, self._clock.now(), strange.file_id, path, strange.detail)
        async with self._gate.held(Operation.VERIFY):
            return await self._keeping.set_aside(strange, reason)

    async def _compare(self, seen: Seen, run: Run) -> None:
        file = seen.document.attributes
        if not self._may_move or file.status_at(self._clock.now()) not in JUDGED:
            return
        suspect = seen.size != file.size or file.status is not FileStatus.ACTIVE
        if suspect or run.thorough:
            await self._look(file.file_id, seen, run)

    async def _look(self, file_id: FileId, seen: Seen, run: Run) -> None:
        path = f"{folder_of(file_id)}/{seen.document.storage_filename}"
        try:
            found = await self._verify(file_id, pace=self._pace)
        except (NotFound, FileDeleted, FileExpired):
            return  # somebody else has seen to it
        except ArtStoreError as error:
            issue = Issue.MISSING if seen.size is None else Issue.MISMATCH
            if seen.size != seen.document.attributes.size:
                run.add(Finding(issue, path, file_id, f"it could not be looked into: {error.message}"))
            return
        finding = finding_of(found, path)
        if finding is not None:
            run.add(finding)

    async def _unfounded(self, file_id: FileId, run: Run) -> None:
        if await self._finishing.run(self._keeping.forget(file_id)):
            run.corrected += 1
            detail = "the index knew it, and the disk has neither attributes nor bytes of it"
            run.add(Finding(Issue.MISSING, folder_of(file_id), file_id, detail))
