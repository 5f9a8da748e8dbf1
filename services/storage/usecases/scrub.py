"""The scrub: every byte is read again, in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, FileDamaged, FileDeleted, FileExpired, ModeNotAllowed, NotFound
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Finding, Issue, Scrubbed, ScrubProgress, ScrubReport
from services.storage.domain.keeping import JUDGED, finding_of
from services.storage.domain.modes import Operation
from services.storage.domain.names import folder_of
from services.storage.domain.scrubbing import Round, anew, due, verified_at
from services.storage.ports import Files, Pace, Scrubbing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.verify_file import VerifyFile

Told = Callable[[str, int], None]
"""Result in a word, bytes read."""

KEEP_EVERY = 30.0
"""Seconds of work that a crash may cost."""

LISTED = 1000
"""Findings that a report lists; the others are counted."""

log = get_logger(__name__)


@dataclass(slots=True)
class ScrubRun:
    """One pass of the scrub, while it goes on."""

    anew: bool
    """Whether somebody wants every file read once more; else the present round is gone on with."""
    started_at: datetime
    total: int
    passed: int = 0
    """Files whose turn it was."""
    done: Scrubbed = field(default_factory=Scrubbed)
    counts: Counter[Issue] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def progress(self) -> ScrubProgress:
        return ScrubProgress(self.passed, max(self.total, self.passed), self.done.size, self.counts.total())

    def add(self, finding: Finding) -> None:
        """Take note of something."""
        self.counts[finding.issue] += 1
        if len(self.findings) < LISTED:
            self.findings.append(finding)

    def report(self, at: datetime) -> ScrubReport:
        """What is known at the end."""
        return ScrubReport(
            started_at=self.started_at,
            finished_at=at,
            files=self.done.files,
            size=self.done.size,
            counts={issue: self.counts[issue] for issue in Issue},
            findings=tuple(self.findings),
            omitted=self.counts.total() - len(self.findings),
            restored=self.done.restored,
            failed=self.done.failed,
        )


class Scrub:
    """Go on with the present round, to its end, or begin one; see the laws in `domain/scrubbing.py`."""

    def __init__(
        self, *, gate: ModeGate, files: Files, scrubbing: Scrubbing, verify: VerifyFile, clock: Clock,
        period: timedelta, pace: Pace,
    ) -> None:  # fmt: skip
        """`period`: from the beginning of one round to that of the next. `pace` wins over it."""
        self._gate, self._files, self._scrubbing, self._verify = gate, files, scrubbing, verify
        self._clock, self._period, self._pace = clock, period, pace

    def begin(self, *, anew: bool = False) -> ScrubRun:
        """A pass that is about to start. `anew`: every file is read once more, whatever was read before.

        Raises `ModeNotAllowed`.
        """
        self._gate.require(Operation.VERIFY)
        counted = self._files.usage().files
        return ScrubRun(anew, self._clock.now(), sum(counted.get(status, 0) for status in JUDGED))

    async def is_due(self) -> bool:
        """Whether there is something to do that nobody has asked for. Raises `StorageUnavailable`."""
        return due(await self._scrubbing.round(), self._clock.now(), self._period) is not None

    async def __call__(self, told: Told | None = None, run: ScrubRun | None = None) -> Scrubbed | None:
        """What was found; None if the next round is not due yet. `told` is told of each file at once.

        `run` shows meanwhile how far it has come. Raises `ModeNotAllowed`, `StorageUnavailable` while the index is
        incomplete or the disk fails, `StorageFull`.
        """
        run = run or self.begin()
        present = await self._round(run)
        if present is None:
            return None
        done, kept = run.done, -KEEP_EVERY
        async for file_id, known in self._scrubbing.files(present.after):
            if self._clock.monotonic() - kept >= KEEP_EVERY:  # at once, too: who may not write this down does not scrub
                kept = self._clock.monotonic()
                await self._scrubbing.keep(present)
            if known < present.began_at:  # those that came or were read since have their turn in the next round
                size, result = done.size, await self._look(file_id, run)
                if told is not None:
                    told(result, done.size - size)
            run.passed += 1
            present = present.read_up_to(file_id)
        await self._scrubbing.keep(present.ended())
        done.complete = True
        log.info("every file was read again", files=done.files, size=done.size, damaged=done.damaged,
                 missing=done.missing, restored=done.restored, corrupt=done.corrupt, failed=done.failed)  # fmt: skip
        return done

    async def oldest(self) -> timedelta:
        """How long ago the file was read whose turn it is next; zero if there is none.

        Raises `StorageUnavailable` while the index is incomplete.
        """
        present = await self._scrubbing.round()
        async for file_id, known in self._scrubbing.files(None if present is None else present.after):
            age = self._clock.now() - verified_at(present, file_id, known)
            return max(age, timedelta(0))
        return timedelta(0)

    async def _round(self, run: ScrubRun) -> Round | None:
        last, now = await self._scrubbing.round(), self._clock.now()
        return anew(last, now) if run.anew else due(last, now, self._period)

    async def _look(self, file_id: FileId, run: ScrubRun) -> str:
        """In a word, what came of it."""
        done, path = run.done, folder_of(file_id)
        try:
            document = await self._files.find(file_id)
            before, path = document.attributes.status, f"{path}/{document.storage_filename}"
            found = await self._verify(file_id, pace=self._pace)
        except (NotFound, FileDeleted, FileExpired):
            return "gone"  # somebody else has seen to it
        except ModeNotAllowed:
            raise
        except FileDamaged:
            done.corrupt += 1  # logged where it was seen
            detail = "its attributes cannot be trusted; a reconciliation sets them aside"
            run.add(Finding(Issue.CORRUPT, path, file_id, detail))
            return "corrupt"
        except ArtStoreError as error:
            done.failed += 1
            log.warning("a file could not be read again", file_id=file_id, reason=error.message)
            return "failed"
        done.files += 1
        done.size += found.actual_size or 0
        finding = finding_of(found, path)
        if finding is not None:
            run.add(finding)
        if found.outcome is before:
            return "good" if before is FileStatus.ACTIVE else "known"
        done.damaged += found.outcome is FileStatus.DAMAGED
        done.missing += found.outcome is FileStatus.MISSING
        done.restored += found.outcome is FileStatus.ACTIVE
        return "restored" if found.outcome is FileStatus.ACTIVE else found.outcome.value
