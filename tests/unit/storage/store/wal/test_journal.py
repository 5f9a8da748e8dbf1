"""Writing the journal: shared frames, segments, room, failures."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.errors import StorageFull, StorageUnavailable
from services.model.feed import ChangeKind
from services.model.ids import ElementUuid
from services.storage.domain.documents import Document
from services.storage.store.health import WriteHealth
from services.storage.store.wal import reading
from services.storage.store.wal.journal import Done, Journal, Origin
from services.storage.store.wal.records import Op, Place
from services.storage.store.wal.segments import Segments
from services.storage.store.wal.tail import Tail
from tests.doubles.clock import FakeClock
from tests.doubles.disks import SKIPPED, Call, StrictDisk, WatchedDisk
from tests.unit.storage.samples import attributes

ROOT = Path("/strict/wal")
UUID = ElementUuid("9a09e694-c28b-424f-84ed-ec496ad78734")
DOCUMENT = Document(attributes(), "x.pdf")


class Written:
    """A journal on a strict disk, and what it told the index."""

    def __init__(self, size: int = 8 << 10, retention: timedelta = timedelta(0)) -> None:
        self.clock = FakeClock()
        self.tail = Tail()
        self.disk = StrictDisk(ROOT)
        self.watched = WatchedDisk(self.disk)
        self.health = WriteHealth()
        self.done: list[Done] = []
        self.settles = True
        self.journal = Journal(
            Segments(self.watched, ROOT), self.health, Origin(UUID, "aa", 3, 0, Place(0, 0), 0),
            size=size, durable=self._durable, settled=lambda: self.settles,
            tail=self.tail, clock=self.clock, retention=retention,
        )  # fmt: skip
        assert self.journal.start([]) == []

    def _durable(self, done: Sequence[Done]) -> None:
        history = self.history()
        assert {each.number for each in done} <= {each.number for each in history.commits}, "durable before told"
        self.done += done

    def history(self) -> reading.History:
        """What a successor would read after a power cut."""
        return reading.read(Segments(self.disk.crash(None), ROOT), UUID)

    def begin(self) -> int:
        return self.journal.begin(Op.UPDATE, DOCUMENT, old=1, new=2)

    def segments(self) -> list[Place]:
        return Segments(self.disk, ROOT).places()


def count(watched: WatchedDisk, name: str) -> int:
    return sum(call.name == name for call in watched.calls)


def test_what_has_returned_is_durable() -> None:
    written = Written()
    first, second = written.begin(), written.begin()
    assert sorted(written.history().open) == [first, second]
    written.journal.commit(first, DOCUMENT)
    written.journal.abort(second)
    written.begin()  # what was aborted is durable before anything begun later
    history = written.history()
    assert second not in history.open
    assert [each.tx for each in history.commits] == [first]
    assert written.done == [Done((3 << 32) + 1, ChangeKind.UPDATED, DOCUMENT)]
    assert history.last == (3 << 32) + 1


def test_those_who_wait_share_a_frame_and_a_sync() -> None:
    written = Written(64 << 10)
    syncing, go = threading.Event(), threading.Event()

    def slow(call: Call) -> None:
        if call.name == "fdatasync" and not syncing.is_set():
            syncing.set()
            assert go.wait(10)

    written.watched.before = slow
    before = count(written.watched, "fdatasync")
    with ThreadPoolExecutor(11) as threads:
        first = threads.submit(written.begin)
        assert syncing.wait(10)
        others = [threads.submit(written.begin) for _ in range(10)]
        while len(written.journal._queue) < 10:  # bounded by the threads' start
            threading.Event().wait(0.001)
        go.set()
        transactions = {first.result(10), *(each.result(10) for each in others)}
    assert len(transactions) == 11
    assert sorted(written.history().open) == sorted(transactions)
    assert count(written.watched, "fdatasync") - before == 2


def test_commits_of_many_threads_have_numbers_in_the_order_in_which_the_index_hears_of_them() -> None:
    written = Written(32 << 10)

    def work(_: int) -> None:
        for _ in range(10):
            written.journal.commit(written.begin(), DOCUMENT)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert [each.number for each in written.done] == [(3 << 32) + n for n in range(1, 81)]
    assert not written.history().open


def test_spent_segments_go_and_those_with_open_transactions_stay() -> None:
    written = Written()
    for _ in range(100):
        written.journal.commit(written.begin(), DOCUMENT)
    assert len(written.segments()) <= 2
    kept = written.begin()
    place = written.segments()[-1]
    for _ in range(100):
        written.journal.commit(written.begin(), DOCUMENT)
    assert place in written.segments()
    assert list(written.history().open) == [kept]
    written.journal.commit(kept, DOCUMENT)
    for _ in range(40):
        written.journal.commit(written.begin(), DOCUMENT)
    assert place not in written.segments()
    assert written.history().last == (3 << 32) + 241


def test_while_the_index_is_not_durable_nothing_is_forgotten() -> None:
    written = Written()
    written.settles = False
    for _ in range(100):
        written.journal.commit(written.begin(), DOCUMENT)
    assert len(written.history().commits) == 100
    assert written.history().applied == 0


def test_a_full_disk_refuses_what_begins_and_never_what_ends() -> None:
    written = Written()

    def no_room(call: Call) -> None:
        if call.name == "allocate":
            raise OSError(errno.ENOSPC, "full")

    written.watched.before = no_room
    begun: list[int] = []
    with contextlib.suppress(StorageFull):
        while len(begun) < 100:
            begun.append(written.begin())
    assert 5 <= len(begun) < 100
    for tx in begun:
        written.journal.commit(tx, DOCUMENT)
    assert len(written.done) == len(begun)
    assert written.health.writable
    assert len(written.segments()) == 1, "no empty segment is left"
    written.watched.well()
    written.journal.commit(written.begin(), DOCUMENT)
    assert not written.history().open


def fails(name: str) -> Callable[[Call], None]:
    def fail(call: Call) -> None:
        if call.name == name:
            raise OSError(errno.EIO, "broken")

    return fail


@pytest.mark.parametrize("name", ["write", "fdatasync"])
def test_after_an_error_of_the_journal_nothing_is_written_any_more(name: str) -> None:
    written = Written()
    tx = written.begin()
    written.watched.before = fails(name)
    with pytest.raises(StorageUnavailable):
        written.journal.commit(tx, DOCUMENT)
    written.watched.well()
    calls = len(written.watched.calls)
    with pytest.raises(StorageUnavailable):
        written.begin()
    assert len(written.watched.calls) == calls
    assert not written.health.writable
    assert written.done == []


def test_without_its_sync_a_begin_is_lost() -> None:
    """Sabotage: the double notices."""
    written = Written()
    written.watched.before = lambda call: SKIPPED if call.name == "fdatasync" else None
    written.begin()
    assert not written.history().open


def test_a_checkpoint_that_fails_is_not_the_error_of_what_was_written_with_it() -> None:
    """It stops the writing; but what was begun has begun, and what was committed is so."""
    written = Written(size=2 << 10)
    first = written.begin()

    def settled() -> bool:
        written.watched.fail_at(0, errno.EIO)
        return True

    written.journal._settled = settled  # what is written next is the checkpoint
    begun = first
    while written.health.writable:
        begun = written.begin()
    assert begun in written.history().open, "told as begun, and durable"
    with pytest.raises(StorageUnavailable) as told:
        written.journal.commit(first, DOCUMENT)
    assert told.value.outcome_unknown
