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
from datetime import timedelta
from functools import partial

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, StorageUnavailable
from services.model.feed import Change, ChangeKind, Destroyed
from services.model.ids import ElementUuid, FileId
from services.storage.domain.documents import Document
from services.storage.domain.modes import ModeState, mode_change
from services.storage.store.durable import write_all
from services.storage.store.health import WriteHealth
from services.storage.store.metrics import WAL_FSYNC
from services.storage.store.wal import frames
from services.storage.store.wal.kept import head_of
from services.storage.store.wal.records import (
    EPOCH_SHIFT,
    KINDS,
    NO_FILE,
    START,
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
from services.storage.store.wal.tail import End, Tail

COMMIT_ROOM = 640
"""Bytes kept for one record; for a commit or abort in a frame of its own, too. A name has at most 200 bytes."""
LARGEST_BATCH = 48
"""Records in a frame; more wait for the next: all of a batch of small files, and a few beside it."""
SEGMENT_BYTES = 2 << 20

log = get_logger(__name__)


Subject = Document | Destroyed | ModeState
"""What a commit is about: a file as it is now, what became of it, or the element's mode."""


@dataclass(frozen=True, slots=True)
class Done:
    """A durable commit, for the index and for those who follow the changes."""

    number: int
    kind: ChangeKind
    subject: Subject

    @property
    def change(self) -> Change:
        """As it is told."""
        match self.subject:
            case Document(attributes=file):
                return Change(self.number, self.kind, file.file_id, file=file)
            case Destroyed(file_id=file_id):
                return Change(self.number, self.kind, file_id, destroyed=self.subject)
            case ModeState():
                return Change(self.number, self.kind, None, mode=mode_change(self.subject))


Durable = Callable[[Sequence[Done]], None]
"""Told of commits in the order of their numbers, once they are durable. Must not raise."""
Settled = Callable[[], bool]
"""Makes durable what `Durable` was told of; False if that failed, and the journal is to be kept longer."""


@dataclass(eq=False, slots=True)
class _Waiting:
    record: Begin | Commit | Abort
    subject: Subject | None = None
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
    number: int
    """Of the last commit."""


class Journal:
    """Thread-safe. Nothing may be begun before `start` has returned."""

    def __init__(
        self, segments: Segments, health: WriteHealth, origin: Origin, *, size: int, durable: Durable, settled: Settled,
        tail: Tail, clock: Clock, retention: timedelta, most: int = 0,
    ) -> None:  # fmt: skip
        """`size`: bytes of a segment. `retention`: for how long commits are kept, `most`: in how many bytes; 0: any."""
        self._segments, self._fs, self._health, self._origin = segments, segments.fs, health, origin
        self._size, self._durable, self._settled = size, durable, settled
        self._tail, self._clock, self._retention, self._most = tail, clock, retention, most
        self._queue: list[_Waiting] = []
        self._queued = threading.Lock()
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._place = Place(origin.epoch, 0)
        self._used = self._batch = 0
        self._head: Head | None = None
        """Of the segment that was made last, until it is written: without it no successor could read the segment."""
        self._open: dict[int, Place] = {}
        """Where each open transaction begins."""
        self._kinds: dict[int, ChangeKind] = {}
        """What each open transaction is called."""
        self._crowded = False
        self._number = origin.number
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
            record = self._commit(begin.tx, begin.file_id, begin.name, begin.kind) if done else Abort(begin.tx)
            records.append(record)
        self._segments.make_folder(self._origin.epoch)
        # One segment holds them, however many: without them there would be no epoch.
        self._next_segment(max(self._size, COMMIT_ROOM * (len(records) + 4)))
        self._append(records)
        commits = [each for each in records if isinstance(each, Commit)]
        self._number = commits[-1].number if commits else self._number
        self._tail.begin(self._end)
        return commits

    def begin(self, op: Op, document: Document, *, old: int, new: int, kind: ChangeKind | None = None) -> int:
        """Durable when it returns; the transaction's number. It must end with `commit` or `abort`.

        `kind`: what it is called in the change feed; None: as `op` says. Raises `StorageFull`, `StorageUnavailable`:
        then nothing has begun.
        """
        a, kind = document.attributes, kind or KINDS[op]
        return self._begin(
            lambda tx: Begin(tx, op, a.file_id, document.storage_filename, a.size, a.sha256, old, new, kind)
        )

    def begin_mode(self, revision: int) -> int:
        """The same for a change of the mode to its next revision."""
        kind = KINDS[Op.MODE]
        return self._begin(lambda tx: Begin(tx, Op.MODE, NO_FILE, "", 0, "", revision - 1, revision, kind))

    def begin_creates(self, documents: Sequence[Document]) -> list[int | BaseException]:
        """`begin` for several new files at once: of each its transaction, or why it has not begun."""
        try:
            self._health.require()
        except StorageUnavailable as error:
            return [error for _ in documents]
        with self._queued:
            waiting = [self._beginning(partial(_create, document)) for document in documents]
        return [self._begun(each) for each in waiting]

    def commit(self, tx: int, document: Document, *, destroyed: Destroyed | None = None) -> None:
        """Durable, and known to the index, when it returns. `destroyed`: the file is no more.

        Raises `StorageUnavailable`: whether it is durable is not known.
        """
        with self._queued:
            file_id, name = document.attributes.file_id, document.storage_filename
            waiting = self._wait(self._commit(tx, file_id, name, self._kinds.pop(tx)), destroyed or document)
        self._written(waiting)

    def commit_mode(self, tx: int, state: ModeState) -> None:
        """The same for a change of the mode."""
        with self._queued:
            waiting = self._wait(self._commit(tx, NO_FILE, "", self._kinds.pop(tx)), state)
        self._written(waiting)

    def commit_creates(self, done: Sequence[tuple[int, Document]]) -> list[BaseException | None]:
        """`commit` for several at once: of each None, or why it is not known whether it is durable."""
        with self._queued:
            waiting = [
                self._wait(self._commit(tx, each.attributes.file_id, each.storage_filename, self._kinds.pop(tx)), each)
                for tx, each in done
            ]
        return [self._outcome(each) for each in waiting]

    def abort(self, tx: int) -> None:
        """All of it is undone. Not durable when it returns, but before anything that is begun later."""
        with self._queued:
            del self._kinds[tx]
            self._wait(Abort(tx))

    def checkpoint(self) -> None:
        """Have the index keep what it knows, and remove what is not needed any more."""
        with self._turn:
            self._checkpoint()

    def forget(self) -> None:
        """Remove what was kept for those who follow the changes, and is too old for them."""
        with self._turn:
            self._forget()

    def close(self) -> None:
        """Nothing is begun any more; waits for a write that is under way."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # all that counts has been synced
                self._fs.close(self._descriptor)
            self._descriptor = None

    @property
    def _end(self) -> End:
        return End(self._place, self._used, self._number)

    def _begin(self, made: Callable[[int], Begin]) -> int:
        self._health.require()
        with self._queued:
            waiting = self._beginning(made)
        outcome = self._begun(waiting)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _beginning(self, made: Callable[[int], Begin]) -> _Waiting:
        self._transactions += 1
        begin = made(self._transactions)
        self._kinds[begin.tx] = begin.kind
        return self._wait(begin)

    def _begun(self, waiting: _Waiting) -> int | BaseException:
        """The transaction, once it is durable; or why it has not begun."""
        error = self._outcome(waiting)
        if error is not None:
            with self._queued:
                self._kinds.pop(waiting.record.tx, None)
        return error or waiting.record.tx

    def _commit(self, tx: int, file_id: FileId, name: str, kind: ChangeKind) -> Commit:
        self._numbers += 1
        return Commit(tx, self._numbers, file_id, name, kind)

    def _wait(self, record: Begin | Commit | Abort, subject: Subject | None = None) -> _Waiting:
        waiting = _Waiting(record, subject)
        self._queue.append(waiting)
        return waiting

    def _written(self, waiting: _Waiting) -> None:
        error = self._outcome(waiting)
        if error is not None:
            raise error

    def _outcome(self, waiting: _Waiting) -> BaseException | None:
        """Wait until a record is durable: None; or why it may not be."""
        while not waiting.done:
            with self._turn:
                if not waiting.done:
                    self._write_waiting()
        return waiting.error

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
        needed = self._needed(batch)
        rolled = self._used + needed > self._size
        if rolled:
            try:
                with self._health.preparing():
                    self._next_segment(max(self._size, needed + COMMIT_ROOM))
            except ArtStoreError as error:
                # What has begun has its room; only what is to begin must wait for more.
                batch = _refused(batch, error)
                rolled = False
        if batch:
            with self._health.committing():
                self._append([each.record for each in batch])
        for each in batch:
            if isinstance(each.record, Begin):
                self._open[each.record.tx] = self._place
            else:
                self._open.pop(each.record.tx, None)
        done = [
            Done(each.record.number, each.record.kind, each.subject)
            for each in batch
            if isinstance(each.record, Commit) and each.subject is not None
        ]
        self._durable(done)
        if done:  # the index knows them: now they may be told
            self._number = done[-1].number
            self._tail.publish(self._end, [each.change for each in done])
        if rolled:
            with contextlib.suppress(ArtStoreError):  # it has stopped the writing; this batch is durable all the same
                self._checkpoint()

    def _needed(self, batch: list[_Waiting]) -> int:
        """Bytes kept for the batch, the ends of all that is open then, and a checkpoint; 0 if nothing begins."""
        begins = sum(isinstance(each.record, Begin) for each in batch)
        if not begins:
            return 0
        return frames.HEADER_BYTES + COMMIT_ROOM * (len(batch) + len(self._open) + begins + 1)

    def _next_segment(self, size: int) -> None:
        """Make the next segment and go on there; its head is written with what is written next."""
        place = Place(self._place.epoch, self._place.segment + 1)
        descriptor = self._segments.make(place, size)
        self._close()
        self._descriptor, self._place, self._used = descriptor, place, 0
        element, lineage = self._origin.element, self._origin.lineage
        self._head = Head(element, lineage, place, self._applied, self._spent, self._number, self._clock.now())

    def _append(self, after: Sequence[Record]) -> None:
        assert self._descriptor is not None, "the journal was not started"
        records = [*after] if self._head is None else [self._head, *after]
        frame = frames.encode(self._batch + 1, encode(records))
        write_all(self._fs, self._descriptor, frame)
        with WAL_FSYNC.time():
            self._fs.fdatasync(self._descriptor)
        self._head = None
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
        self._forget()

    def _forget(self) -> None:
        """The turn is held. What comes back after a power cut does no harm."""
        try:
            self._segments.remove_before(self._unneeded())
        except OSError as error:
            log.warning("old journals could not be removed", error=str(error))

    def _unneeded(self) -> Place:
        """The oldest segment that is not spent, or may hold commits which are still to be kept."""
        horizon, oldest = self._clock.now() - self._retention, START
        places = self._segments.places()
        for place in places[1:]:
            head = head_of(self._segments, place) if place <= self._spent else None
            if place > self._spent or (head is not None and head.at > horizon):
                break
            oldest = place if head is not None else oldest
        return max(oldest, self._too_many([place for place in places if place < self._spent]))

    def _too_many(self, spent: list[Place]) -> Place:
        """The oldest of those segments, oldest first, for which there is room."""
        if not self._most or len(spent) * self._size <= self._most:
            self._crowded = False
            return START
        room = self._most // self._size
        oldest = spent[-room] if room else self._spent
        if not self._crowded:  # said once, not with each segment
            log.warning("changes are kept for less than their time: they take too much room", bytes=self._most)
        self._crowded = True
        return oldest


def _create(document: Document, tx: int) -> Begin:
    a, kind = document.attributes, KINDS[Op.CREATE]
    return Begin(tx, Op.CREATE, a.file_id, document.storage_filename, a.size, a.sha256, 0, a.revision, kind)


def _refused(batch: list[_Waiting], error: ArtStoreError) -> list[_Waiting]:
    """Tell those who want to begin that they cannot; the others."""
    for each in batch:
        if isinstance(each.record, Begin):
            each.error = error
            each.done = True
    return [each for each in batch if each.error is None]
