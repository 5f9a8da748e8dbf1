from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.model.elements import Mode
from services.model.errors import ModeNotAllowed, StorageUnavailable
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.maintenance import Collected
from services.storage.domain.documents import Document
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, OTHER_ID, attributes
from tests.unit.storage.usecases.conftest import become, mode_state

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEARS = 3653 * DAY


class MemoryCollections:
    """Fills `ports.Collections`."""

    def __init__(self) -> None:
        self.ran_at: datetime | None = None
        self.untrusted = False

    async def last(self) -> datetime | None:
        if self.untrusted:
            raise StorageUnavailable("gc.json cannot be trusted")
        return self.ran_at

    async def keep(self, ran_at: datetime) -> None:
        self.ran_at, self.untrusted = ran_at, False


class House:
    """An element's garbage and who collects it."""

    def __init__(self, gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> None:
        self.gate, self.files, self.clock, self.finishing = gate, files, clock, finishing
        self.collections = MemoryCollections()
        self.collect = self.restarted()

    def restarted(self) -> CollectGarbage:
        self.collect = CollectGarbage(
            gate=self.gate, files=self.files, collections=self.collections, clock=self.clock,
            finishing=self.finishing, grace=DAY,
        )  # fmt: skip
        return self.collect

    def add(self, file: FileAttributes) -> None:
        self.files.documents[file.file_id] = Document(file, "x")
        self.files.bytes[file.file_id] = b"1234567"

    def status(self, file_id: FileId) -> FileStatus:
        return self.files.documents[file_id].attributes.status


@pytest.fixture
def house(gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> House:
    return House(gate, files, clock, finishing)


def deleted(file_id: FileId = FILE_ID) -> FileAttributes:
    return attributes(file_id=file_id, size=7, status=FileStatus.DELETED, deleted_at=NOW, deleted_by=ANNA)


async def test_a_file_expires_and_is_destroyed_after_the_grace(house: House) -> None:
    house.add(attributes(size=7, expires_at=NOW + HOUR))
    assert await house.collect() == Collected()
    house.clock.advance(HOUR)
    assert await house.collect() == Collected(expired=1)
    assert house.status(FILE_ID) is FileStatus.EXPIRED
    house.clock.advance(DAY - timedelta(seconds=1))
    assert await house.collect() == Collected()
    house.clock.advance(1.0)
    assert await house.collect() == Collected(destroyed=1, freed=7)
    assert house.files.documents == {}
    assert house.files.destroyed[FILE_ID].why is FileStatus.EXPIRED


async def test_what_is_kept_is_never_removed(house: House) -> None:
    house.add(attributes(file_id=OTHER_ID))
    house.add(deleted())
    house.clock.advance(2 * DAY)
    assert (await house.collect()).destroyed == 1
    assert house.status(OTHER_ID) is FileStatus.ACTIVE


@pytest.mark.parametrize("restart", [False, True], ids=["while it runs", "before a restart"])
async def test_a_clock_ten_years_ahead_destroys_nothing(house: House, restart: bool) -> None:
    house.add(deleted())
    house.add(attributes(file_id=OTHER_ID, expires_at=NOW + DAY))
    await house.collect()
    house.clock.jump(YEARS)
    if restart:
        house.restarted()
    for _ in range(3):
        house.clock.advance(HOUR)
        refused = await house.collect()
        assert "clock" in refused.refused
        assert refused.destroyed == refused.expired == 0
    assert house.status(FILE_ID) is FileStatus.DELETED
    assert house.status(OTHER_ID) is FileStatus.ACTIVE
    house.clock.jump(-YEARS)
    assert (await house.collect()).refused == ""
    assert set(house.files.documents) == {FILE_ID, OTHER_ID}
    house.clock.advance(DAY)
    assert (await house.collect()).destroyed == 1


async def test_an_element_that_never_collected_trusts_its_mode_file_rather_than_the_clock(house: House) -> None:
    house.add(deleted())
    house.clock.jump(YEARS)
    assert "clock" in (await house.collect()).refused
    assert house.collections.ran_at is None


async def test_a_clock_that_is_confirmed_counts(house: House) -> None:
    house.add(deleted())
    await house.collect()
    house.clock.jump(YEARS)
    assert (await house.collect(confirm_clock=True)).destroyed == 1
    assert house.collections.ran_at == NOW + YEARS
    assert (await house.collect()).refused == "", "what was confirmed once is believed from then on"


async def test_a_witness_that_is_damaged_stops_the_collection_until_confirmed(house: House) -> None:
    house.add(deleted())
    house.collections.untrusted = True
    house.clock.advance(2 * DAY)
    assert "gc.json" in (await house.collect()).refused
    assert house.status(FILE_ID) is FileStatus.DELETED
    assert (await house.collect(confirm_clock=True)).destroyed == 1


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR])
async def test_nothing_is_destroyed_where_nothing_is_written(house: House, mode: Mode) -> None:
    house.add(deleted())
    house.clock.advance(2 * DAY)
    await become(house.gate, mode_state(mode, 2))
    with pytest.raises(ModeNotAllowed):
        await house.collect()
    assert house.status(FILE_ID) is FileStatus.DELETED


async def test_a_file_that_cannot_be_judged_stays_and_stops_no_other(house: House) -> None:
    house.add(deleted())
    house.add(deleted(OTHER_ID))
    house.files.damaged.add(FILE_ID)
    house.clock.advance(2 * DAY)
    assert await house.collect() == Collected(destroyed=1, freed=7, failed=1)
    assert set(house.files.documents) == {FILE_ID}


async def test_an_incomplete_index_is_no_ground_for_a_collection(house: House) -> None:
    house.files.index_complete = False
    with pytest.raises(StorageUnavailable):
        await house.collect()
