"""The journal as the change feed reads it: every commit from any number on, or the plain word that some are missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.model.feed import ChangeKind
from services.model.ids import ElementUuid
from services.storage.domain.documents import Document
from services.storage.store.health import WriteHealth
from services.storage.store.wal import reading
from services.storage.store.wal.journal import Journal, Origin
from services.storage.store.wal.kept import Kept, NotKept
from services.storage.store.wal.records import EPOCH_SHIFT, Op, Place
from services.storage.store.wal.segments import Segments
from services.storage.store.wal.tail import End, Tail
from tests.doubles.clock import FakeClock
from tests.doubles.disks import StrictDisk
from tests.unit.storage.samples import attributes

ROOT = Path("/strict/wal")
UUID = ElementUuid("9a09e694-c28b-424f-84ed-ec496ad78734")
DOCUMENT = Document(attributes(), "x.pdf")
DAY = timedelta(days=1)


class Ground:
    """One disk, and the journals that are written on it, an epoch after the other."""

    def __init__(self, retention: timedelta = DAY, most: int = 0) -> None:
        self.disk, self.clock, self.retention, self.most = StrictDisk(ROOT), FakeClock(), retention, most
        self.numbers: list[int] = []
        self._epoch = 0
        self.lead()

    def lead(self) -> None:
        """The next epoch begins."""
        self._epoch += 1
        segments = Segments(self.disk, ROOT)
        history = reading.read(segments, UUID)
        assert not history.damage
        self.tail = Tail(at_hand=5)
        origin = Origin(UUID, "aa", self._epoch, history.last, history.spent, history.number)
        self.journal = Journal(
            segments, WriteHealth(), origin, size=4 << 10, durable=lambda done: None, settled=lambda: True,
            tail=self.tail, clock=self.clock, retention=self.retention, most=self.most,
        )  # fmt: skip
        self.journal.start([])
        self.journal.checkpoint()

    def write(self, commits: int) -> None:
        for _ in range(commits):
            self.journal.commit(self.journal.begin(Op.UPDATE, DOCUMENT, old=1, new=2), DOCUMENT)
            self.numbers.append(self.end.number)

    @property
    def end(self) -> End:
        end = self.tail.end
        assert end is not None
        return end

    @property
    def kept(self) -> Kept:
        return Kept(Segments(self.disk, ROOT), "aa")

    def after(self, number: int, *, most: int = 7) -> list[int]:
        """The numbers of all commits after one, read a few at a time."""
        spot, found = self.kept.find(number, self.end), list[int]()
        while True:
            commits, spot = self.kept.read(spot, self.end, most)
            found += [each.number for each in commits]
            if not commits:
                return found

    def segments(self) -> list[Place]:
        return Segments(self.disk, ROOT).places()

    def path(self, place: Place) -> Path:
        return Segments(self.disk, ROOT).path(place)


@pytest.fixture
def ground() -> Ground:
    """Three epochs with several segments each, the second one without a commit."""
    ground = Ground()
    ground.write(50)
    ground.lead()
    ground.lead()
    ground.write(50)
    assert len(ground.segments()) > 8
    return ground


def test_every_commit_is_read_once_and_in_order_from_wherever_one_begins(ground: Ground) -> None:
    assert ground.numbers[49] >> EPOCH_SHIFT == 1
    assert ground.numbers[50] >> EPOCH_SHIFT == 3
    for index, number in enumerate([0, *ground.numbers]):
        assert ground.after(number) == ground.numbers[index:]


def test_what_is_written_meanwhile_is_read_too(ground: Ground) -> None:
    spot = ground.kept.find(ground.numbers[-1], ground.end)
    ground.write(30)
    commits, _ = ground.kept.read(spot, ground.end, 1000)
    assert [each.number for each in commits] == ground.numbers[-30:]
    assert {each.kind for each in commits} == {ChangeKind.UPDATED}


def test_what_is_written_but_not_told_yet_is_not_read(ground: Ground) -> None:
    told = ground.end
    ground.write(1)
    assert ground.kept.read(ground.kept.find(told.number, told), told, 10)[0] == []


@pytest.mark.parametrize("wrong", [1, (1 << EPOCH_SHIFT) + 51, (2 << EPOCH_SHIFT) + 1, (3 << EPOCH_SHIFT) - 1])
def test_a_number_that_was_never_given_away_is_refused(ground: Ground, wrong: int) -> None:
    with pytest.raises(NotKept):
        ground.after(wrong)


def test_of_another_history_nothing_is_read(ground: Ground) -> None:
    with pytest.raises(NotKept):
        Kept(Segments(ground.disk, ROOT), "bb").find(ground.numbers[10], ground.end)


def test_no_more_is_kept_than_there_is_room_for_and_the_latest_stays() -> None:
    ground = Ground(most=5 * (4 << 10))
    for _ in range(3):
        ground.write(50)
        ground.journal.checkpoint()
        assert len(ground.segments()) <= 5 + 1, "those that are kept, and the one that is written"
    with pytest.raises(NotKept):
        ground.after(0)
    first = next(index for index in range(len(ground.numbers)) if _is_kept(ground, ground.numbers[index]))
    assert ground.after(ground.numbers[first]) == ground.numbers[first + 1 :]
    assert first < len(ground.numbers) - 20, "and not only the last ones"
    ground.lead()
    assert ground.after(ground.numbers[-1]) == []


def test_what_the_journal_needs_itself_is_kept_whatever_room_there_is() -> None:
    ground = Ground(most=1)
    unfinished = ground.journal.begin(Op.UPDATE, DOCUMENT, old=1, new=2)
    before = len(ground.segments())
    ground.write(50)
    ground.journal.checkpoint()
    assert len(ground.segments()) > before + 2, "an open change needs all from its beginning on"
    ground.journal.commit(unfinished, DOCUMENT)
    ground.journal.checkpoint()
    assert len(ground.segments()) <= 2


def _is_kept(ground: Ground, number: int) -> bool:
    try:
        ground.kept.find(number, ground.end)
    except NotKept:
        return False
    return True


def test_a_missing_segment_is_noticed(ground: Ground) -> None:
    ground.disk.unlink(ground.path(Place(1, 2)))
    missed = 0
    for index, number in enumerate([0, *ground.numbers]):
        try:
            assert ground.after(number) == ground.numbers[index:]
        except NotKept:
            missed += 1
    assert 2 < missed < 50, "and only those notice who need it"


def test_a_flipped_bit_is_noticed(ground: Ground) -> None:
    path = ground.path(Place(1, 2))
    whole = ground.disk.paths()[str(path.relative_to(ROOT))]
    used = len(whole.rstrip(b"\0"))
    for offset in range(0, used, 97):
        file = ground.disk._file(ground.disk.open(path, 0))
        file.data[offset] ^= 4
        with pytest.raises(NotKept):
            ground.after(0)
        file.data[offset] ^= 4
    assert ground.after(0) == ground.numbers


def test_what_is_older_than_the_retention_goes_and_what_is_younger_stays() -> None:
    ground = Ground()
    ground.write(50)
    old = ground.numbers[-1]
    ground.clock.advance(DAY / 2)
    ground.write(50)
    ground.clock.advance(DAY / 2)
    ground.journal.forget()
    assert ground.after(old) == ground.numbers[50:]
    with pytest.raises(NotKept):
        ground.after(ground.numbers[0])
    ground.clock.advance(DAY)
    ground.journal.forget()
    assert len(ground.segments()) == 1
    assert ground.after(ground.end.number) == []


def test_what_is_kept_only_for_others_is_not_read_at_a_start(ground: Ground) -> None:
    opened: list[Path] = []

    class Watched(StrictDisk):
        def open(self, path: Path, flags: int) -> int:
            opened.append(path)
            return super().open(path, flags)

    disk = Watched(ROOT, ground.disk._tree)
    history = reading.read(Segments(disk, ROOT), UUID)
    assert history.number == ground.numbers[-1]
    read = {path for path in opened if path.suffix == ".seg"}
    assert read < {ground.path(place) for place in ground.segments()}
    assert len(read) <= 3


def test_a_clock_set_back_only_keeps_things_longer() -> None:
    ground = Ground()
    ground.write(50)
    ground.clock.jump(-30 * DAY)
    ground.write(50)
    ground.journal.forget()
    assert ground.after(0) == ground.numbers
