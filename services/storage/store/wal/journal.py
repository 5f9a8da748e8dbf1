"""Writing the journal of one epoch: group commit.

One writes at a time, for all who wait: whoever finds nobody writing takes everything that waits, writes it as one frame
and syncs it once; what comes meanwhile waits for the next. So there is no thread of the journal's own, and no switch to
it for those who come alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.chassis.logs import get_logger
from services.model.errors import ArtStoreError
from services.model.ids import ElementUuid, FileId
from services.storage.domain.collecting import Destroyed
from services.storage.domain.documents import Document
from services.storage.store.durable import write_all
from services.storage.store.health import WriteHealth
from services.storage.store.wal import frames
from services.storage.store.wal.records import (
    EPOCH_SHIFT,
    Abort,
    Begin,
    Checkpoint,
    Commit,
    Head,
    Op,
    Place,
    Record,
    encode,
)
from services.storage.store.wal.segments import Segments

COMMIT_ROOM = 640
"""Bytes kept for one commit or abort in a frame of its own; a name has at most 200 bytes."""
LARGEST_BATCH = 24
"""Records in a frame; more wait for the next. More threads than these do not write."""
SEGMENT_BYTES = 2 << 20

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """A durable commit, for the index."""

    number: int
    document: Document | Destroyed
    """As it is now, or what became of it."""


Durable = Callable[[Sequence[Done]], None]
"""Told of commits in the order of their numbers, once they are durable. Must not raise."""
Settled = Callable[[], bool]
"""Makes durable what `Durable` was told of; False if that failed, and the journal is to be kept longer."""


@dataclass(eq=False, slots=True)
class _Waiting:
    record: Begin | Commit | Abort
    document: Document | Destroyed | None = None
    done: bool = False
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose journal it is, and what it goes on from."""

    element: ElementUuid
    lineage: str
    epoch: int
    applied: int
    spent: Place


class Journal:
    """Thread-safe. Nothing may be begun before `start` has returned."""

    def __init__(
        self, segments: Segments, health: WriteHealth, origin: Origin, *, size: int, durable: Durable, settled: Settled
    ) -> None:
        """`size`: bytes of a segment."""
        self._segments, self._fs, self._health, self._origin = segments, segments.fs, health, origin
        self._size, self._durable, self._settled = size, durable, settled
        self._queue: list[_Waiting] = []
        self._queued = threading.Lock()
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._place = Place(origin.epoch, 0)
        self._used = self._batch = 0
        self._open: dict[int, Place] = {}
        """Where each open transaction begins."""
        self._applied, self._spent = origin.applied, origin.spent
        self._transactions = self._numbers = origin.epoch << EPOCH_SHIFT

    @property
    def last(self) -> int:
        """The number of the latest commit; the epoch's beginning if it has none."""
        return self._numbers

    def start(self, resolved: Sequence[tuple[Begin, bool]]) -> list[Commit]:
        """Begin the epoch's journal, with what became of transactions that were open; those that are committed.

        Raises `OSError`.
        """
        records: list[Commit | Abort] = []
        for begin, done in resolved:
            records.append(self._commit(begin.tx, begin.file_id, begin.name) if done else Abort(begin.tx))
        self._segments.make_folder(self._origin.epoch)
        # One segment holds them, however many: without them there would be no epoch.
        head = self._next_segment(max(self._size, COMMIT_ROOM * (len(records) + 4)))
        self._append([head, *records])
        return [each for each in records if isinstance(each, Commit)]

    def begin(self, op: Op, document: Document, *, old: int, new: int) -> int:
        """Durable when it returns; the transaction's number. It must end with `commit` or `abort`.

        Raises `StorageFull`, `StorageUnavailable`: then nothing has begun.
        """
        a = document.attributes
        with self._queued:
            self._transactions += 1
            tx = self._transactions
            begin = Begin(tx, op, a.file_id, document.storage_filename, a.size, a.sha256, old, new)
            waiting = self._wait(begin)
        self._written(waiting)
        return tx

    def commit(self, tx: int, document: Document, *, destroyed: Destroyed | None = None) -> None:
        """Durable, and known to the index, when it returns. `destroyed`: the file is no more.

        Raises `StorageUnavailable`: whether it is durable is not known.
        """
        with self._queued:
            commit = self._commit(tx, document.attributes.file_id, document.storage_filename)
            waiting = self._wait(commit, destroyed or document)
        self._written(waiting)

    def abort(self, tx: int) -> None:
        """All of it is undone. Not durable when it returns, but before anything that is begun later."""
        with self._queued:
            self._wait(Abort(tx))

    def checkpoint(self) -> None:
        """Have the index keep what it knows, and remove what is not needed any more."""
        with self._turn:
            self._checkpoint()

    def close(self) -> None:
        """Nothing is under way any more."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # all that counts has been synced
                self._fs.close(self._descriptor)
            self._descriptor = None

    def _commit(self, tx: int, file_id: FileId, name: str) -> Commit:
        self._numbers += 1
        return Commit(tx, self._numbers, file_id, name)

    def _wait(self, record: Begin | Commit | Abort, document: Document | Destroyed | None = None) -> _Waiting:
        waiting = _Waiting(record, document)
        self._queue.append(waiting)
        return waiting

    def _written(self, waiting: _Waiting) -> None:
        while not waiting.done:
            with self._turn:
                if not waiting.done:
                    self._write_waiting()
        if waiting.error is not None:
            raise waiting.error

    def _write_waiting(self) -> None:
        with self._queued:
            batch, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
        error: BaseException | None = None
        try:
            self._write(batch)
        except BaseException as reason:  # noqa: BLE001 - raised to each who waits for it
            error = reason
            if not isinstance(reason, ArtStoreError):
                self._health.stop(f"the journal cannot be written: {reason!r}")
        for each in batch:
            each.error = each.error or error
            each.done = True

    def _write(self, batch: list[_Waiting]) -> None:
        head: list[Record] = []
        rolled = not self._fits(batch)
        if rolled:
            try:
                with self._health.preparing():
                    head = [self._next_segment(self._size)]
            except ArtStoreError as error:
                # What has begun has its room; only what is to begin must wait for more.
                batch = _refused(batch, error)
                rolled = False
        if batch:
            with self._health.committing():
                self._append([*head, *(each.record for each in batch)])
        for each in batch:
            if isinstance(each.record, Begin):
                self._open[each.record.tx] = self._place
            else:
                self._open.pop(each.record.tx, None)
        self._durable(
            [
                Done(each.record.number, each.document)
                for each in batch
                if isinstance(each.record, Commit) and each.document is not None
            ]
        )
        if rolled:
            self._checkpoint()

    def _fits(self, batch: list[_Waiting]) -> bool:
        """Whether the batch and the ends of all that is open then, and a checkpoint, fit into this segment."""
        begins = sum(isinstance(each.record, Begin) for each in batch)
        if not begins:
            return True
        length = len(encode([each.record for each in batch])) + frames.HEADER_BYTES
        return self._used + length + COMMIT_ROOM * (len(self._open) + begins + 1) <= self._size

    def _next_segment(self, size: int) -> Head:
        """Make the next segment and go on there; its head, which is to be written first."""
        place = Place(self._place.epoch, self._place.segment + 1)
        descriptor = self._segments.make(place, size)
        self.close()
        self._descriptor, self._place, self._used = descriptor, place, 0
        return Head(self._origin.element, self._origin.lineage, place, self._applied, self._spent)

    def _append(self, records: list[Record]) -> None:
        assert self._descriptor is not None, "the journal was not started"
        frame = frames.encode(self._batch + 1, encode(records))
        write_all(self._fs, self._descriptor, frame)
        self._fs.fdatasync(self._descriptor)
        self._batch += 1
        self._used += len(frame)

    def _checkpoint(self) -> None:
        """The turn is held. A failure only means that the journal is kept longer, unless it is one of the journal."""
        with self._queued:
            # Numbers are given away before their commits are written, which are not applied yet.
            waiting = [each.record.number for each in self._queue if isinstance(each.record, Commit)]
            applied = min(waiting, default=self._numbers + 1) - 1
        if not self._settled():
            return
        spent = min([*self._open.values(), self._place])
        with self._health.committing():
            self._append([Checkpoint(applied, spent)])
        self._applied, self._spent = applied, spent
        try:
            self._segments.remove_before(spent)
        except OSError as error:
            log.warning("old journals could not be removed", error=str(error))


def _refused(batch: list[_Waiting], error: ArtStoreError) -> list[_Waiting]:
    """Tell those who want to begin that they cannot; the others."""
    for each in batch:
        if isinstance(each.record, Begin):
            each.error = error
            each.done = True
    return [each for each in batch if each.error is None]
