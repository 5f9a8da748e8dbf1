"""The scrub comes to every file, however often it is interrupted, and no faster than it may."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.elements import Mode
from services.model.errors import ModeNotAllowed, StorageUnavailable
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Issue, ScrubProgress, ScrubReport
from services.storage.domain.scrubbing import Round, anew, due, verified_at
from services.storage.store.element import Element
from services.storage.usecases.pace import BURST, LEAST, RatePace
from services.storage.usecases.scrub import ScrubRun
from services.storage.usecases.scrubbing import Scrubbings
from services.storage.usecases.verify_file import at_once
from tests.doubles.clock import FakeClock
from tests.doubles.documents import new_id
from tests.support.storage_keeping import Keeper
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, NOW, OTHER_ID, attributes

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


class Interrupted(BaseException):
    """The process is no more."""


class Interruption:
    """A pace that lets so many bytes be read, counts them, and then ends the process."""

    def __init__(self, most: int) -> None:
        self.read, self._most = 0, most

    async def __call__(self, size: int) -> None:
        if self.read + size > self._most:
            raise Interrupted
        self.read += size


async def filled(element: Element, count: int) -> list[FileId]:
    """Files of 100 bytes, by id, stored before the clock goes on."""
    ids = sorted(new_id() for _ in range(count))
    for n, file_id in enumerate(ids):
        await store(element.files, attributes(file_id=file_id), bytes([n]) * 100)
    return ids


def data_of(root: Path, file_id: FileId) -> Path:
    [found] = (path for path in (root / "data/files").rglob(f"*{file_id}*") if not path.name.endswith(".json"))
    return found


async def test_a_round_reads_every_file_once_and_the_next_one_comes_a_period_later(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        keeper = Keeper(element, clock)
        await filled(element, 5)
        clock.advance(HOUR)
        assert await keeper.scrub.oldest() == HOUR
        done = await keeper.scrub()
        assert done is not None
        assert (done.files, done.size, done.complete, done.damaged) == (5, 500, True, 0)
        assert await keeper.scrub.oldest() == timedelta(0)
        clock.advance(WEEK - HOUR)
        assert await keeper.scrub() is None
        assert await keeper.scrub.oldest() == WEEK - HOUR
        clock.advance(HOUR)
        done = await keeper.scrub()
        assert done is not None
        assert done.files == 5


async def test_what_came_or_was_read_since_has_its_turn_in_the_next_round(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        keeper = Keeper(element, clock)
        old, other = await filled(element, 2)
        clock.advance(HOUR)
        await element.scrubbing.keep(Round(clock.now()))
        clock.advance(HOUR)
        await keeper.verify(old)
        await store(element.files, attributes(file_id=OTHER_ID, uploaded_at=clock.now()), b"new")
        read = Interruption(10**9)
        done = await Keeper(element, clock, pace=read).scrub()
        assert done is not None
        assert (done.files, read.read) == (1, 100)
        assert other
        assert await keeper.scrub.oldest() <= HOUR


@pytest.mark.parametrize("index_is_lost", [False, True])
async def test_an_element_that_is_restarted_all_the_time_comes_to_its_last_file(
    tmp_path: Path, index_is_lost: bool
) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        ids = await filled(element, 12)
    clock.advance(HOUR)
    damaged = ids[-1]
    data_of(tmp_path, damaged).write_bytes(b"?" * 100)
    lives, begun = 0, clock.now()
    while True:
        lives += 1
        assert lives < 10, "it does not come to its end"
        if index_is_lost:
            shutil.rmtree(tmp_path / "index")
        async with opened(tmp_path, clock=clock) as element:
            pace = Interruption(350)  # three files in a life

            async def slowly(size: int, pace: Interruption = pace) -> None:
                clock.advance(31)
                await pace(size)

            try:
                await Keeper(element, clock, pace=slowly).scrub()
            except Interrupted:
                continue
            finally:
                await Keeper(element, clock).finishing.ended()
            break
    assert lives >= 3
    async with opened(tmp_path, clock=clock) as element:
        assert (await element.files.find(damaged)).attributes.status is FileStatus.DAMAGED
        last = await element.scrubbing.round()
    assert last == Round(begun, complete=True)


async def test_damage_of_bytes_and_of_attributes_is_found_in_one_pass(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        ids = await filled(element, 5)
        clock.advance(HOUR)
        data_of(tmp_path, ids[0]).write_bytes(b"?" * 100)
        data_of(tmp_path, ids[1]).unlink()
        [text] = (tmp_path / "data/files").rglob(f"*{ids[2]}*.attr.json")
        text.write_bytes(text.read_bytes().replace(b"anna", b"olga"))
        told: list[tuple[str, int]] = []
        done = await Keeper(element, clock).scrub(lambda result, size: told.append((result, size)))
        assert done is not None
        assert (done.files, done.damaged, done.missing, done.corrupt, done.failed) == (4, 1, 1, 1, 0)
        assert told == [("damaged", 100), ("missing", 0), ("corrupt", 0), ("good", 100), ("good", 100)]
        clock.advance(WEEK)
        told.clear()
        await Keeper(element, clock).scrub(lambda result, size: told.append((result, size)))
        assert [result for result, _ in told] == ["known", "known", "corrupt", "good", "good"]


def asking(keeper: Keeper) -> Scrubbings:
    async def one_pass(run: ScrubRun) -> ScrubReport:
        await keeper.scrub(None, run)
        return run.report(keeper.clock.now())

    return Scrubbings(keeper.scrub, one_pass, progress_every=0.001)


async def frames_of(scrubbings: Scrubbings) -> tuple[list[ScrubProgress], ScrubReport]:
    frames = [frame async for frame in scrubbings()]
    report = frames.pop()
    assert isinstance(report, ScrubReport)
    return [frame for frame in frames if isinstance(frame, ScrubProgress)], report


async def test_on_request_every_file_is_read_again_however_recently_that_was(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        keeper = Keeper(element, clock)
        ids = await filled(element, 4)
        clock.advance(HOUR)
        await keeper.scrub()
        clock.advance(60)
        data_of(tmp_path, ids[2]).write_bytes(b"?" * 100)
        assert await keeper.scrub() is None, "by itself it waits for its time"
        progress, report = await frames_of(asking(keeper))
        assert (report.files, report.size, report.failed, report.omitted) == (4, 400, 0, 0)
        assert {issue: count for issue, count in report.counts.items() if count} == {Issue.MISMATCH: 1}
        assert [(each.issue, each.file_id) for each in report.findings] == [(Issue.MISMATCH, ids[2])]
        assert report.findings[0].path.startswith("2026/")
        assert (progress[0], progress[-1]) == (ScrubProgress(0, 4, 0, 0), ScrubProgress(4, 4, 400, 1))
        assert (await element.files.find(ids[2])).attributes.status is FileStatus.DAMAGED
        assert await element.scrubbing.round() == Round(clock.now(), before=NOW + HOUR, complete=True)
        clock.advance(60)
        _, report = await frames_of(asking(keeper))
        assert report.counts[Issue.MISMATCH] == 1, "what is known is told again"


async def test_whoever_asks_while_it_runs_by_itself_is_told_of_that_pass(tmp_path: Path) -> None:
    clock, may_go_on = FakeClock(NOW), asyncio.Event()

    async def held(size: int) -> None:
        await may_go_on.wait()

    async with opened(tmp_path, clock=clock) as element:
        await filled(element, 3)
        clock.advance(HOUR)
        scrubbings = asking(Keeper(element, clock, pace=held))
        by_itself = asyncio.create_task(scrubbings.when_due())
        await asyncio.sleep(0)
        asked = [asyncio.create_task(frames_of(scrubbings)) for _ in range(2)]
        await asyncio.sleep(0.05)
        may_go_on.set()
        (_, one), (_, other) = await asyncio.gather(*asked)
        await by_itself
        assert one is other
        assert one.files == 3
        assert await element.scrubbing.round() == Round(NOW + HOUR, complete=True)


async def test_on_request_too_it_does_not_run_in_ar_and_stops_with_the_element(tmp_path: Path) -> None:
    clock = FakeClock(NOW)

    async def for_ever(size: int) -> None:
        await asyncio.Event().wait()

    async with opened(tmp_path, clock=clock) as element:
        await filled(element, 1)
        clock.advance(HOUR)
        in_ar = asking(Keeper(element, clock, mode=Mode.AR))
        with pytest.raises(ModeNotAllowed):
            await frames_of(in_ar)
        await in_ar.when_due()
        scrubbings = asking(Keeper(element, clock, pace=for_ever))
        asked = asyncio.create_task(frames_of(scrubbings))
        await asyncio.sleep(0.01)
        await scrubbings.stop()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_it_waits_for_the_index_and_does_not_run_in_ar(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock, indexed=False) as element:
        with pytest.raises(StorageUnavailable):
            await Keeper(element, clock).scrub()
        with pytest.raises(ModeNotAllowed):
            await Keeper(element, clock, mode=Mode.AR).scrub()


async def test_a_position_that_cannot_be_trusted_costs_a_round_from_the_beginning(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        await filled(element, 2)
        clock.advance(HOUR)
        await element.scrubbing.keep(Round(clock.now(), complete=True))
        assert await Keeper(element, clock).scrub() is None
        (tmp_path / "data/scrub.json").write_text('{"began_at":"yesterday"}')
        done = await Keeper(element, clock).scrub()
        assert done is not None
        assert done.files == 2


async def test_a_file_that_somebody_had_verified_is_not_the_oldest_any_more(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        keeper = Keeper(element, clock)
        await store(element.files, attributes(), b"x")
        clock.advance(HOUR)
        assert await keeper.scrub.oldest() == HOUR
        assert (await keeper.verify(FILE_ID, pace=at_once)).verified_at == clock.now()
        assert await keeper.scrub.oldest() == timedelta(0)
        clock.advance(60)
        assert await keeper.scrub.oldest() == timedelta(seconds=60)


def test_rounds_follow_the_period_and_no_clock_stops_them() -> None:
    done = Round(NOW, complete=True)
    assert due(None, NOW, WEEK) == Round(NOW)
    assert due(Round(NOW, after=FILE_ID), NOW + 9 * WEEK, WEEK) == Round(NOW, after=FILE_ID)
    assert due(done, NOW + WEEK - timedelta(seconds=1), WEEK) is None
    assert due(done, NOW + WEEK, WEEK) == Round(NOW + WEEK, before=NOW)
    assert due(done, NOW - HOUR, WEEK) == Round(NOW - HOUR, before=NOW)


def test_a_round_that_is_asked_for_forgets_nothing_that_a_whole_one_has_read() -> None:
    assert anew(None, NOW) == Round(NOW)
    assert anew(Round(NOW, complete=True), NOW + HOUR) == Round(NOW + HOUR, before=NOW)
    interrupted = Round(NOW, before=NOW - WEEK, after=FILE_ID)
    assert anew(interrupted, NOW + HOUR) == Round(NOW + HOUR, before=NOW - WEEK)


def test_when_a_file_was_verified_follows_from_the_round() -> None:
    round_ = Round(NOW, before=NOW - WEEK, after=FILE_ID)
    long_ago = NOW - 10 * WEEK
    assert FILE_ID < OTHER_ID
    assert verified_at(round_, FILE_ID, long_ago) == NOW
    assert verified_at(round_, OTHER_ID, long_ago) == NOW - WEEK
    assert verified_at(round_, OTHER_ID, NOW + HOUR) == NOW + HOUR
    assert verified_at(None, FILE_ID, long_ago) == long_ago


async def test_those_who_share_a_pace_read_no_more_than_it_permits_together() -> None:
    clock, slept = FakeClock(NOW), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    pace = RatePace(1000, clock, sleep, least=1)
    start = clock.monotonic()
    for _ in range(10):
        await pace(500)
    assert clock.monotonic() - start == pytest.approx(5, abs=0.3)
    clock.advance(1000)
    before = clock.monotonic()
    for _ in range(4):
        await pace(500)
    assert clock.monotonic() - before >= 1.7, "time that was not used is not saved up"
    unbound = RatePace(0, clock, sleep)
    slept.clear()
    await unbound(10**12)
    assert slept == []


async def test_small_files_are_paced_by_their_number_however_few_bytes_they_have(tmp_path: Path) -> None:
    clock, slept = FakeClock(NOW), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    async with opened(tmp_path, clock=clock) as element:
        await filled(element, 4)
        await store(element.files, attributes(file_id=OTHER_ID, uploaded_at=clock.now()), b"")
        clock.advance(HOUR)
        done = await Keeper(element, clock, pace=RatePace(10 * LEAST, clock, sleep)).scrub()
    assert done is not None
    assert done.files == 5
    assert sum(slept) == pytest.approx(5 / 10 - BURST)
