"""Bits flip in data, attributes and journal, and one pass of the scrub finds it, if nobody has read it before.

Nothing wrong is served as good, and nothing is destroyed for it; right bytes make all of it good again. A flip in the
journal is noticed by the next start, where it counts.

300 flips, 10,000 in full.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.errors import FileDamaged, StorageUnavailable
from services.model.files import FileStatus, RetentionPolicy
from services.model.ids import FileId
from services.model.maintenance import Scrubbed
from services.storage.domain.names import ATTRIBUTES_SUFFIX, folder_of
from services.storage.usecases.collect_garbage import CollectGarbage
from tests.doubles.clock import FakeClock
from tests.doubles.documents import new_id
from tests.faults.size import luck, sized
from tests.support.storage_keeping import BY, Keeper
from tests.support.storage_store import opened, store, tree
from tests.unit.storage.samples import NOW, attributes

SIZES = (1, 2, 100, 4096, 5000, 70_000)
FILES = 12
FLIPS = sized(270, 9_000)
JOURNAL_FLIPS = sized(30, 1_000)

pytestmark = pytest.mark.timeout(sized(120, 7_200))


@dataclass(frozen=True)
class Kept:
    """A file as it should be."""

    file_id: FileId
    content: bytes


class House:
    """An element with some permanent files, one of which would have expired if it were not for a bit."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.clock = folder, chance, FakeClock(NOW)
        self.files: list[Kept] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Keeper]:
        async with opened(self.folder, clock=self.clock) as element:
            keeper = Keeper(element, self.clock, period=timedelta(0))
            yield keeper
            await keeper.finishing.ended()

    async def fill(self, keeper: Keeper) -> None:
        for number in range(FILES):
            content = self.chance.randbytes(SIZES[number % len(SIZES)])
            plain = attributes(file_id=new_id(), retention_policy=RetentionPolicy.PERMANENT, ttl=None, expires_at=None)
            await store(keeper.element.files, plain, content)
            self.files.append(Kept(plain.file_id, content))

    def place(self, kept: Kept, *, of_attributes: bool = False) -> Path:
        hour = self.folder / "data" / "files" / folder_of(kept.file_id)
        [path] = (
            each for each in hour.glob(f"*{kept.file_id}*") if each.name.endswith(ATTRIBUTES_SUFFIX) == of_attributes
        )
        return path

    def flip(self, path: Path, until: int | None = None) -> bytes:
        """Flip one bit; what was there before. `until`: of the first so many bytes."""
        before = path.read_bytes()
        bit = self.chance.randrange(8 * (len(before) if until is None else until))
        spoiled = bytearray(before)
        spoiled[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoiled)
        return before

    async def scrub(self, keeper: Keeper) -> Scrubbed:
        self.clock.advance(1)
        done = await keeper.scrub()
        assert done is not None
        return done

    async def everything_is_served_right(self, keeper: Keeper, but: Kept | None = None) -> None:
        for kept in self.files:
            if kept is not but:
                assert await read(keeper, kept.file_id) == kept.content


async def read(keeper: Keeper, file_id: FileId) -> bytes:
    """All that a client gets who hears of no error."""
    frames = [frame async for frame in keeper.download(file_id, None)]
    return b"".join(frame for frame in frames if isinstance(frame, bytes))


@pytest.fixture
async def house(memory: Path) -> House:
    made = House(memory, luck("bit flips"))
    async with made.open() as keeper:
        await made.fill(keeper)
    return made


async def test_flips_in_data_and_attributes_are_found_and_nothing_is_lost(house: House) -> None:
    async with house.open() as keeper:
        for number in range(FLIPS):
            kept = house.chance.choice(house.files)
            if house.chance.random() < 0.5:
                await _data(house, keeper, kept)
            else:
                await _attributes(house, keeper, kept)
            if number % 50 == 0:
                await house.everything_is_served_right(keeper)
        await house.everything_is_served_right(keeper)
        assert await keeper.quarantine() == []
        assert (await keeper.reconcile()).files == FILES


async def _data(house: House, keeper: Keeper, kept: Kept) -> None:
    path = house.place(kept)
    house.flip(path)
    spoiled = path.read_bytes()
    if house.chance.random() < 0.5:
        with pytest.raises(FileDamaged):
            await read(keeper, kept.file_id)
        assert keeper.suspects.pop() == kept.file_id, "whoever reads it tells"
    done = await house.scrub(keeper)
    assert (done.damaged, done.files, done.failed) == (1, FILES, 0)
    with pytest.raises(FileDamaged):
        await read(keeper, kept.file_id)
    [item] = await keeper.quarantine()
    aside = house.folder / "data" / "quarantine" / item.item_id / path.name
    assert aside.read_bytes() == spoiled, "what is wrong is kept, too"
    aside.write_bytes(kept.content)
    assert (await keeper.restore(item.item_id, by=BY)).status is FileStatus.ACTIVE
    assert await read(keeper, kept.file_id) == kept.content


async def _attributes(house: House, keeper: Keeper, kept: Kept) -> None:
    path = house.place(kept, of_attributes=True)
    before = house.flip(path)
    if house.chance.random() < 0.5:
        with pytest.raises(FileDamaged):
            await read(keeper, kept.file_id)
    done = await house.scrub(keeper)
    assert (done.corrupt, done.damaged, done.files) == (1, 0, FILES - 1)
    spoiled = tree(house.folder / "data" / "files")
    house.clock.advance(timedelta(days=1))
    await _collect(keeper)
    assert tree(house.folder / "data" / "files") == spoiled, "a bit in them destroys nothing"
    if house.chance.random() < 0.3:
        await _set_aside_and_restored(house, keeper, kept, before)
    else:
        path.write_bytes(before)
    assert await read(keeper, kept.file_id) == kept.content


async def _set_aside_and_restored(house: House, keeper: Keeper, kept: Kept, good: bytes) -> None:
    await keeper.reconcile(thorough=False)
    [item] = await keeper.quarantine()
    folder = house.folder / "data" / "quarantine" / item.item_id
    [text] = (folder / name for name in item.names if name.endswith(ATTRIBUTES_SUFFIX))
    text.write_bytes(good)
    assert (await keeper.restore(item.item_id, by=BY)).file_id == kept.file_id


async def _collect(keeper: Keeper) -> None:
    collect = CollectGarbage(
        gate=keeper.gate, files=keeper.element.files, collections=keeper.element.collections, clock=keeper.clock,
        finishing=keeper.finishing, grace=timedelta(0),
    )  # fmt: skip
    await collect(confirm_clock=True)


async def test_flips_in_the_journal_lose_nothing_and_are_noticed_where_they_count(house: House) -> None:
    noticed = 0
    for _ in range(JOURNAL_FLIPS):
        segments = sorted((house.folder / "data" / ".wal").glob("*/*.seg"))
        path = house.chance.choice(segments)
        written = len(path.read_bytes().rstrip(b"\0"))
        before = house.flip(path, until=written)
        async with house.open() as keeper:
            await house.everything_is_served_right(keeper)
            if not keeper.element.files.writable:
                noticed += 1
                with pytest.raises(StorageUnavailable):
                    await store(keeper.element.files, attributes(file_id=new_id()), b"x")
        if path.exists():
            path.write_bytes(before)
        async with house.open() as keeper:
            await house.everything_is_served_right(keeper)
            assert keeper.element.files.writable, "the journal is right again"
            done = await house.scrub(keeper)
            assert (done.damaged, done.missing, done.corrupt, done.files) == (0, 0, 0, FILES)
    assert noticed > 0, "damage to what is still needed is no secret"
