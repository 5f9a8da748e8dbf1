"""The scrub: every byte is read again, in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, FileDamaged, FileDeleted, FileExpired, ModeNotAllowed, NotFound
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Scrubbed
from services.storage.domain.modes import Operation
from services.storage.domain.scrubbing import due, verified_at
from services.storage.ports import Files, Pace, Scrubbing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.verify_file import VerifyFile

Told = Callable[[str, int], None]
"""Result in a word, bytes read."""

KEEP_EVERY = 30.0
"""Seconds of work that a crash may cost."""

log = get_logger(__name__)


class Scrub:
    """Go on with the present round, to its end; see the laws in `domain/scrubbing.py`."""

    def __init__(
        self, *, gate: ModeGate, files: Files, scrubbing: Scrubbing, verify: VerifyFile, clock: Clock,
        period: timedelta, pace: Pace,
    ) -> None:  # fmt: skip
        """`period`: from the beginning of one round to that of the next. `pace` wins over it."""
        self._gate, self._files, self._scrubbing, self._verify = gate, files, scrubbing, verify
        self._clock, self._period, self._pace = clock, period, pace

    async def __call__(self, told: Told | None = None) -> Scrubbed | None:
        """What was found; None if the next round is not due yet. `told` is told of each file at once.

        Raises `ModeNotAllowed`, `StorageUnavailable` while the index is incomplete or the disk fails, `StorageFull`.
        """
        self._gate.require(Operation.VERIFY)
        present = due(await self._scrubbing.round(), self._clock.now(), self._period)
        if present is None:
            return None
        done, kept = Scrubbed(), -KEEP_EVERY
        async for file_id, known in self._scrubbing.files(present.after):
            if self._clock.monotonic() - kept >= KEEP_EVERY:  # at once, too: who may not write this down does not scrub
                kept = self._clock.monotonic()
                await self._scrubbing.keep(present)
            if known < present.began_at:  # those that came or were read since have their turn in the next round
                size, result = done.size, await self._look(file_id, done)
                if told is not None:
                    told(result, done.size - size)
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

    async def _look(self, file_id: FileId, done: Scrubbed) -> str:
        """In a word, what came of it."""
        try:
            before = (await self._files.find(file_id)).attributes.status
            found = await self._verify(file_id, pace=self._pace)
        except (NotFound, FileDeleted, FileExpired):
            return "gone"  # somebody else has seen to it
        except ModeNotAllowed:
            raise
        except FileDamaged:
            done.corrupt += 1  # logged where it was seen; reconciliation sets it aside
            return "corrupt"
        except ArtStoreError as error:
            done.failed += 1
            log.warning("a file could not be read again", file_id=file_id, reason=error.message)
            return "failed"
        done.files += 1
        done.size += found.actual_size or 0
        if found.outcome is before:
            return "good" if before is FileStatus.ACTIVE else "known"
        done.damaged += found.outcome is FileStatus.DAMAGED
        done.missing += found.outcome is FileStatus.MISSING
        done.restored += found.outcome is FileStatus.ACTIVE
        return "restored" if found.outcome is FileStatus.ACTIVE else found.outcome.value
