"""Reading files again: damage is found, written down and set aside; right bytes make it good again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.elements import Mode
from services.model.errors import (
    Conflict,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    ModeNotAllowed,
    NotFound,
    StorageUnavailable,
)
from services.model.files import FileAttributes, FileStatus
from services.model.ids import QuarantineId
from services.model.paging import PageRequest
from services.storage.domain.documents import Document
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.store.fs import FileSystem
from tests.doubles.clock import FakeClock
from tests.support.storage_keeping import BY, Keeper
from tests.support.storage_store import content_of, opened, store, tree
from tests.unit.storage.samples import FILE_ID, NOW, OTHER_ID, attributes
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"%PDF-1.7 " + bytes(range(256)) * 5000


class House(Keeper):
    """An element with one file, and hands that reach its disk."""

    root: Path
    file: FileAttributes

    @property
    def data(self) -> Path:
        [path] = [each for each in (self.root / "files").rglob("*.pdf") if each.is_file()]
        return path

    def flip(self, at: int = 1000) -> None:
        text = bytearray(self.data.read_bytes())
        text[at] ^= 1
        self.data.write_bytes(text)

    def written(self) -> dict[str, object]:
        [path] = (self.root / "files").rglob(f"*{ATTRIBUTES_SUFFIX}")
        members: dict[str, object] = json.loads(path.read_text())
        return members

    async def read(self) -> bytes:
        frames = [frame async for frame in self.download(FILE_ID, None)]
        return b"".join(frame for frame in frames if isinstance(frame, bytes))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        made = House(element, clock)
        made.root = tmp_path / "data"
        made.file = await store(element.files, attributes(), DATA)
        clock.advance(3600)
        yield made


async def test_a_good_file_is_good_and_nothing_is_written(house: House) -> None:
    before = tree(house.root / "files")
    found = await house.verify(FILE_ID)
    assert (found.outcome, found.file, found.actual_size) == (FileStatus.ACTIVE, house.file, len(DATA))
    assert found.actual_sha256 == house.file.sha256
    assert tree(house.root / "files") == before


async def test_a_flipped_bit_is_written_down_and_the_bytes_set_aside(house: House) -> None:
    house.flip()
    wrong, name = house.data.read_bytes(), house.data.name
    found = await house.verify(FILE_ID)
    assert (found.outcome, found.file.revision) == (FileStatus.DAMAGED, 2)
    assert house.written()["status"] == "damaged"
    assert house.written()["damage"] == {"found_at": "2026-11-21T04:40:00.000Z", "actual_sha256": found.actual_sha256}
    [item] = await house.quarantine()
    assert (item.kind, item.file_id, item.names, item.size) == ("damaged", FILE_ID, (name,), len(wrong))
    assert (item.expected_sha256, item.actual_sha256) == (house.file.sha256, found.actual_sha256)
    assert item.path.endswith(name)
    assert (house.root / "quarantine" / item.item_id / name).read_bytes() == wrong
    with pytest.raises(FileDamaged):
        await house.read()
    [listed] = (await house.element.files.page(FileStatus.DAMAGED, PageRequest())).items
    assert listed == found.file


async def test_damage_that_is_known_changes_nothing_more(house: House) -> None:
    house.flip()
    first = await house.verify(FILE_ID)
    again = await house.verify(FILE_ID)
    assert (again.outcome, again.file, again.actual_size) == (FileStatus.DAMAGED, first.file, None)
    assert len(await house.quarantine()) == 1


async def test_a_file_that_was_cut_is_damaged_too(house: House) -> None:
    house.data.write_bytes(DATA[:-1])
    assert (await house.verify(FILE_ID)).outcome is FileStatus.DAMAGED


async def test_bytes_that_are_gone_make_it_missing_and_the_right_ones_good_again(house: House) -> None:
    path = house.data
    path.rename(house.root / "elsewhere")
    found = await house.verify(FILE_ID)
    assert (found.outcome, found.actual_size, found.actual_sha256) == (FileStatus.MISSING, None, None)
    assert house.written()["damage"] == {"found_at": "2026-11-21T04:40:00.000Z", "actual_sha256": None}
    with pytest.raises(FileMissing):
        await house.read()
    (house.root / "elsewhere").rename(path)
    found = await house.verify(FILE_ID)
    assert (found.outcome, found.file.revision, found.file.status) == (FileStatus.ACTIVE, 3, FileStatus.ACTIVE)
    assert "damage" not in house.written()
    assert await house.read() == DATA


async def test_wrong_bytes_in_the_place_of_missing_ones_are_set_aside(house: House) -> None:
    path = house.data
    path.unlink()
    await house.verify(FILE_ID)
    path.write_bytes(b"something else")
    assert (await house.verify(FILE_ID)).outcome is FileStatus.DAMAGED
    path.write_bytes(b"and again something")
    assert (await house.verify(FILE_ID)).outcome is FileStatus.DAMAGED
    assert [item.size for item in await house.quarantine()] == [14, 19]
    path.write_bytes(DATA)
    assert (await house.verify(FILE_ID)).outcome is FileStatus.ACTIVE


async def test_a_reader_who_finds_damage_tells(house: House) -> None:
    house.flip(len(DATA) - 1)
    with pytest.raises(FileDamaged):
        await house.read()
    house.data.unlink()
    with pytest.raises(FileMissing):
        await house.read()
    assert house.suspects == [FILE_ID, FILE_ID]


async def test_what_members_a_file_has_besides_are_kept(house: House) -> None:
    def held(document: Document) -> Document:
        file = replace(document.attributes, revision=2)
        return replace(document, attributes=file, unknown={"holds": ["court"], "x": 1})

    await house.element.keeping.mark(FILE_ID, held, reason=None)  # type: ignore[arg-type] # nothing is damaged
    house.flip()
    await house.verify(FILE_ID)
    assert (house.written()["holds"], house.written()["x"]) == (["court"], 1)


async def test_what_has_ended_is_not_judged(house: House) -> None:
    house.flip()
    house.clock.advance(timedelta(days=31))  # type: ignore[attr-defined] # a FakeClock
    with pytest.raises(FileExpired):
        await house.verify(FILE_ID)
    await house.element.files.change(
        FILE_ID, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2, deleted_at=NOW)
    )
    with pytest.raises(FileDeleted):
        await house.verify(FILE_ID)
    with pytest.raises(NotFound):
        await house.verify(OTHER_ID)
    assert await house.quarantine() == []


async def test_ar_has_no_bytes_to_verify_and_ro_has(house: House) -> None:
    house.flip()
    await become(house.gate, mode_state(Mode.AR))
    with pytest.raises(ModeNotAllowed):
        await house.verify(FILE_ID)
    await become(house.gate, mode_state(Mode.RO))
    assert (await house.verify(FILE_ID)).outcome is FileStatus.DAMAGED


async def test_a_change_in_between_is_kept_and_the_file_looked_at_again(house: House) -> None:
    house.flip()
    changed = False

    async def meanwhile(size: int) -> None:
        nonlocal changed
        if not changed:
            changed = True
            await house.element.files.change(
                FILE_ID, lambda d: replace(d.attributes, description="new", revision=d.attributes.revision + 1)
            )

    found = await house.verify(FILE_ID, pace=meanwhile)
    assert (found.outcome, found.file.description, found.file.revision) == (FileStatus.DAMAGED, "new", 3)


async def test_damaged_bytes_come_back_only_if_they_are_right(house: House) -> None:
    house.flip()
    await house.verify(FILE_ID)
    [item] = await house.quarantine()
    with pytest.raises(Conflict, match="its bytes are not those"):
        await house.restore(item.item_id, by=BY)
    assert [each.item_id for each in await house.quarantine()] == [item.item_id]
    (house.root / "quarantine" / item.item_id / item.names[0]).write_bytes(DATA)
    restored = await house.restore(item.item_id, by=BY)
    assert (restored.status, restored.revision) == (FileStatus.ACTIVE, 3)
    assert await house.read() == DATA
    assert await house.quarantine() == []
    assert not any((house.root / "quarantine").iterdir())
    with pytest.raises(NotFound):
        await house.restore(item.item_id, by=BY)


async def test_the_mode_does_not_wait_for_what_is_read_before_it_is_put_back(house: House) -> None:
    aside = await _set_aside(house)
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(size: int) -> None:
        reading.set()
        await go_on.wait()

    restoring = asyncio.create_task(house.restore(QuarantineId(aside.parent.name), by=BY, pace=slowly))
    await reading.wait()
    await become(house.gate, mode_state(Mode.AR))
    go_on.set()
    with pytest.raises(ModeNotAllowed):
        await restoring
    assert aside.read_bytes() == DATA


async def test_bytes_that_change_while_they_are_read_are_not_put_back(house: House) -> None:
    aside = await _set_aside(house)

    async def meanwhile(size: int) -> None:
        replacement = aside.with_name("other")
        replacement.write_bytes(DATA[::-1])
        replacement.rename(aside)

    with pytest.raises(StorageUnavailable, match="changed while they were read"):
        await house.restore(QuarantineId(aside.parent.name), by=BY, pace=meanwhile)
    assert aside.read_bytes() == DATA[::-1]


async def _set_aside(house: House) -> Path:
    """The file was damaged, and its right bytes lie in the quarantine: there."""
    house.flip()
    await house.verify(FILE_ID)
    [item] = await house.quarantine()
    aside = house.root / "quarantine" / item.item_id / item.names[0]
    aside.write_bytes(DATA)
    return aside


async def test_nothing_is_put_in_the_place_of_bytes_that_are_there(house: House) -> None:
    aside = await _set_aside(house)
    [item] = await house.quarantine()
    place = house.root / item.path
    place.write_bytes(b"somebody's")
    with pytest.raises(Conflict, match="has other bytes for this file"):
        await house.restore(item.item_id, by=BY)
    assert (place.read_bytes(), aside.read_bytes()) == (b"somebody's", DATA)


async def test_the_content_of_a_file_is_served_after_all(house: House) -> None:
    await house.verify(FILE_ID)
    assert await content_of(house.element.files, house.file) == DATA


class Flaky(FileSystem):
    """A cable or a memory that spoils so many reads of content; the disk is well."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        data = super().read(descriptor, length, offset)
        if self.reads and len(data) > 64 << 10:
            self.reads -= 1
            return b"?" + data[1:]
        return data


@pytest.mark.parametrize(("reads", "outcome"), [(1, FileStatus.ACTIVE), (9, FileStatus.DAMAGED)])
async def test_damage_is_believed_only_after_a_second_read(tmp_path: Path, reads: int, outcome: FileStatus) -> None:
    disk = Flaky(0)
    async with opened(tmp_path, clock=FakeClock(NOW), fs=disk) as element:
        await store(element.files, attributes(), DATA)
        disk.reads = reads
        assert (await Keeper(element, FakeClock(NOW)).verify(FILE_ID)).outcome is outcome
