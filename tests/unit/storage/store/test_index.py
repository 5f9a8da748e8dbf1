"""The index and its making: it finds files, and never lies about what it does not know."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from services.model.errors import FileDamaged, NotFound, StorageUnavailable
from services.model.files import FileStatus
from services.model.ids import ElementUuid, FileId
from services.model.paging import PageRequest
from services.storage.domain.documents import Document
from services.storage.domain.names import folder_of
from services.storage.domain.seal import seal
from services.storage.store.cursors import Position
from services.storage.store.documents import DocumentFiles
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem
from services.storage.store.index import BY_ID, FILE_NAME, Index, IndexFailed, known_element
from services.storage.store.rebuild import Rebuild
from services.storage.store.rows import TOGETHER, of_document
from tests.doubles.clock import FakeClock
from tests.doubles.documents import new_id
from tests.support.storage_store import content_of, opened, store, tree
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

UUID = ElementUuid("9a09e694-c28b-424f-84ed-ec496ad78734")


def document(**changes: object) -> Document:
    return Document(attributes(**changes), "x.pdf")


DAYS = [FILE_ID, FileId("01a20000-0000-7000-8000-000000000000"), FileId("01a30000-0000-7000-8000-000000000000")]


class Unsynced(FileSystem):
    """Notes which folders below a root are synced; one of them fails."""

    def __init__(self, root: Path) -> None:
        self._root, self._open = root, dict[int, Path]()
        self.synced = set[Path]()
        self.failing = ""

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._open[descriptor] = path
        return descriptor

    def fsync(self, descriptor: int) -> None:
        path = self._open[descriptor]
        if path.is_relative_to(self._root):
            self.synced.add(path.relative_to(self._root))
            if self.failing and path.match(self.failing):
                raise OSError(errno.EIO, "broken")
        super().fsync(descriptor)


async def listed(element: Element) -> list[str]:
    return [each.file_id for each in (await element.files.page(None, PageRequest())).items]


def filled(folder: Path, *, applied: int, complete: bool = True) -> None:
    """An index of one file that knows of commits up to `applied`, as a process leaves it that is killed."""
    index = Index(folder)
    index.resume(UUID, "first", range(0))
    index.put([document()], applied=applied)
    if complete:
        index.rebuilt(1)
    index.close()


@pytest.mark.parametrize(
    ("lineage", "kept", "complete"),
    [
        ("first", range(5, 10), True),
        ("first", range(7, 8), True),
        ("first", range(8, 10), False),  # what it missed is no longer in the journal
        ("first", range(5, 7), False),  # it knows more than the journal
        ("second", range(5, 10), False),  # the journal was lost meanwhile
    ],
)
def test_an_index_is_complete_if_the_journal_holds_what_it_may_have_missed(
    tmp_path: Path, lineage: str, kept: range, complete: bool
) -> None:
    filled(tmp_path, applied=7)
    index = Index(tmp_path)
    index.resume(UUID, lineage, kept)
    assert index.complete is complete
    assert (index.get(FILE_ID) is not None) is complete, "what is stale is forgotten"
    index.close()
    again = Index(tmp_path)
    again.resume(UUID, lineage, range(20))
    assert again.complete is complete, "a stale one stays so until it has been made anew"
    again.close()


def test_an_index_that_was_not_made_to_its_end_is_not_complete(tmp_path: Path) -> None:
    filled(tmp_path, applied=7, complete=False)
    index = Index(tmp_path)
    index.resume(UUID, "first", range(20))
    assert not index.complete
    index.close()


def test_numbers_after_something_that_could_not_be_noted_say_nothing(tmp_path: Path) -> None:
    filled(tmp_path, applied=7)
    index = Index(tmp_path)
    index.resume(UUID, "first", range(20))
    breaking = sqlite3.connect(tmp_path / "index.sqlite")
    breaking.executescript("ALTER TABLE files RENAME TO hidden")
    index.put([document(file_id=OTHER_ID)], applied=8)
    assert not index.complete
    breaking.executescript("ALTER TABLE hidden RENAME TO files")
    breaking.close()
    index.put([], applied=9)
    with pytest.raises(IndexFailed):
        index.rebuilt(1)
    index.close()
    again = Index(tmp_path)
    again.resume(UUID, "first", range(7, 20))
    assert again.applied == 7, "what was missed is looked up in the journal"
    again.close()


def test_a_file_that_is_gone_is_not_counted(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.put([document(size=5), document(file_id=OTHER_ID, size=7)], applied=1)
    index.put([], gone=[FILE_ID], applied=2)
    assert index.get(FILE_ID) is None
    assert (index.usage.used, index.usage.files) == (7, {FileStatus.ACTIVE: 1})
    index.close()


def test_an_older_revision_changes_nothing(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.put([document(revision=3, status=FileStatus.DELETED)])
    index.put([document(revision=2, status=FileStatus.ACTIVE)])
    row = index.get(FILE_ID)
    assert row
    assert (row.revision, row.status) == (3, "deleted")
    assert index.usage.files == {FileStatus.DELETED: 1}
    index.close()


def test_missing_files_use_no_room(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.put([document(size=5), document(file_id=OTHER_ID, size=7, status=FileStatus.MISSING)])
    assert index.usage.used == 5
    index.close()


def test_an_index_that_is_garbage_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"garbage" * 1000)
    assert known_element(tmp_path) is None
    index = Index(tmp_path)
    index.put([document()])
    assert index.get(FILE_ID)
    index.close()


def test_what_cannot_be_opened_is_not_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    (tmp_path / "index.sqlite" / "thesis").touch()
    with pytest.raises(sqlite3.OperationalError):
        Index(tmp_path)
    assert (tmp_path / "index.sqlite" / "thesis").exists()


async def test_the_index_is_made_anew_from_the_disk_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        stored = [await store(element.files, attributes(file_id=new_id()), bytes([n]) * n) for n in range(20)]
        await element.files.change(
            stored[3].file_id, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2)
        )
        before = await element.files.page(None, PageRequest()), element.files.usage()
    async with opened(tmp_path, index_dir=tmp_path / "another") as element:
        assert (await element.files.page(None, PageRequest()), element.files.usage()) == before


async def test_until_it_is_complete_files_are_served_and_stored_but_not_listed(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        old = await store(element.files, attributes(), b"old")
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        with pytest.raises(StorageUnavailable, match="being made"):
            await element.files.page(None, PageRequest())
        with pytest.raises(StorageUnavailable, match="being made: 0 files so far"):
            await element.check_index()
        assert await content_of(element.files, old) == b"old"
        assert await store(element.files, attributes(), b"old") == old, "the id is known to be taken"
        new = await store(element.files, attributes(file_id=OTHER_ID), b"new")
        await element.rebuild()
        assert sorted(await listed(element)) == [old.file_id, new.file_id]
        assert element.files.usage().used == 6


async def test_while_it_is_made_readiness_says_how_far_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        for _ in range(5):
            await store(element.files, attributes(file_id=new_id()), b"x")
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        element.rebuild._batch, said = 1, set[str]()
        making = asyncio.create_task(element.rebuild())
        while not making.done():
            try:
                await element.check_index()
            except StorageUnavailable as error:
                said.add(error.message)
            await asyncio.sleep(0)
        await making
        assert len(said) > 2, said
        await element.check_index()


async def test_an_index_that_fails_fails_no_operation_and_is_made_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
        breaking = sqlite3.connect(tmp_path / "index/index.sqlite")
        breaking.executescript("ALTER TABLE files RENAME TO hidden")
        new = await store(element.files, attributes(file_id=OTHER_ID), b"new")
        assert await content_of(element.files, new) == b"new"
        with pytest.raises(StorageUnavailable, match="index"):
            await element.files.page(None, PageRequest())
        with pytest.raises(StorageUnavailable):
            await element.check_index()
        breaking.executescript("ALTER TABLE hidden RENAME TO files")
        breaking.close()
        await element.rebuild()
        await element.check_index()
        assert sorted(await listed(element)) == [FILE_ID, OTHER_ID]


async def test_what_is_found_on_the_disk_by_its_id_alone_is_told_to_the_index(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
        with sqlite3.connect(tmp_path / "index/index.sqlite") as connection:
            connection.execute("DELETE FROM files")
        connection.close()
        assert await listed(element) == []
        await element.files.find(FILE_ID)
        assert await listed(element) == [FILE_ID]


async def test_attributes_that_cannot_be_trusted_are_left_alone_and_not_served(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
        await store(element.files, attributes(file_id=OTHER_ID), b"other")
        [path] = (tmp_path / "data/files").rglob(f"*{FILE_ID}*.attr.json")
        path.write_bytes(path.read_bytes().replace(b'"expires_at":"2026', b'"expires_at":"2016'))
        before = tree(tmp_path / "data/files")
        with pytest.raises(FileDamaged):
            await element.files.find(FILE_ID)
        with pytest.raises(FileDamaged):
            await element.files.change(FILE_ID, lambda d: d.attributes)
        with pytest.raises(FileDamaged):
            await store(element.files, attributes(), b"old")
        assert await listed(element) == [OTHER_ID]
    async with opened(tmp_path, index_dir=tmp_path / "new") as element:
        assert await listed(element) == [OTHER_ID]
        with pytest.raises(FileDamaged):
            await element.files.find(FILE_ID)
    assert tree(tmp_path / "data/files") == before


async def test_attributes_that_were_put_beside_another_file_are_not_believed(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
        await store(element.files, attributes(file_id=OTHER_ID), b"other")
        [mine] = (tmp_path / "data/files").rglob(f"*{FILE_ID}*.attr.json")
        [other] = (tmp_path / "data/files").rglob(f"*{OTHER_ID}*.attr.json")
        mine.write_bytes(other.read_bytes())
        with pytest.raises(FileDamaged):
            await element.files.find(FILE_ID)
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        found = await element.rebuild()
        assert found
        assert (found.files, found.damaged) == (1, 1)


async def test_orphans_and_foreign_things_are_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
    [path] = (tmp_path / "data/files").rglob("*.pdf")
    orphan = path.with_name(path.name.replace(FILE_ID, OTHER_ID))
    orphan.write_bytes(b"somebody's document")
    path.with_name("notes.attr.json").write_text("{}")
    path.with_name("link").symlink_to("/etc/passwd")
    before = tree(tmp_path / "data/files")
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        found = await element.rebuild()
        assert found
        assert (found.files, found.damaged, found.orphans) == (1, 1, [orphan])
        with pytest.raises(NotFound):
            await element.files.find(OTHER_ID)
    assert tree(tmp_path / "data/files") == before


async def test_what_lies_in_the_folder_of_another_hour_is_not_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"old")
    [path] = (tmp_path / "data/files").rglob("*.attr.json")
    other = path.parent.with_name("04")
    other.mkdir()
    for each in path.parent.iterdir():
        each.rename(other / each.name)
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        found = await element.rebuild()
        assert found
        assert (found.files, found.damaged, found.orphans) == (0, 0, [])


async def test_no_folder_is_served_from_that_could_not_be_made_durable(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        hours = {folder_of((await store(element.files, attributes(file_id=each), b"x")).file_id) for each in DAYS}
    disk = Unsynced(tmp_path / "data/files")
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False, fs=disk) as element:
        disk.synced.clear()
        await element.rebuild()
        assert {str(each) for each in disk.synced} >= {*hours, *(str(Path(each).parent) for each in hours), "."}
    async with opened(tmp_path, index_dir=tmp_path / "newer", indexed=False, fs=disk) as element:
        disk.failing = min(hours)
        with pytest.raises(StorageUnavailable):
            await element.rebuild()
        assert not element._parts.index.complete
        assert not element.files.writable


async def test_an_orphan_is_not_overwritten_by_an_upload_of_the_same_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"first")
        [path] = (tmp_path / "data/files").rglob("*.pdf")
        path.with_name(path.name + ".attr.json").unlink()  # as a crash between the two renames leaves it
    async with opened(tmp_path, index_dir=tmp_path / "new") as element:
        stored = await store(element.files, attributes(), b"second")
        assert await content_of(element.files, stored) == b"second"
    assert path.read_bytes() == b"first"


async def test_of_two_attribute_files_with_one_id_the_later_revision_counts(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"x")
        [path] = (tmp_path / "data/files").rglob("*.attr.json")
        members = json.loads(path.read_bytes())
        name = f"copy_anna_20261121T034000_{FILE_ID}.pdf"
        copy = {**members, "revision": 5, "storage_filename": name}
        path.with_name(f"{name}.attr.json").write_bytes(seal(copy))
    async with opened(tmp_path, index_dir=tmp_path / "new", indexed=False) as element:
        assert (await element.files.find(FILE_ID)).attributes.revision == 5


async def test_a_folder_is_read_in_parts_however_many_files_it_holds(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        stored = [await store(element.files, attributes(file_id=new_id()), b"x") for _ in range(20)]
        parts = element._parts
        attributes_of_one = next((tmp_path / "data/files").rglob(f"*{stored[3].file_id}*.attr.json"))
        attributes_of_one.unlink()
        parts.index.complete = False
        found = await Rebuild(
            fs=parts.fs, layout=parts.layout, charge=parts.charge, index=parts.index,
            documents=DocumentFiles(parts.fs, parts.layout), destroyed=parts.destroyed, clock=FakeClock(),
            pool=parts.reads, batch=3,
        )()  # fmt: skip
        assert found is not None
        assert (found.files, found.damaged) == (19, 0)
        assert [path.name + ".attr.json" for path in found.orphans] == [attributes_of_one.name]
        assert (await element.files.page(None, PageRequest())).total == 19


def test_what_went_while_the_index_is_made_is_not_brought_back(tmp_path: Path) -> None:
    with contextlib.closing(Index(tmp_path)) as index:
        generation = index.clear()
        index.put([], gone=[FILE_ID])
        documents = [Document(attributes(file_id=each), "x.pdf") for each in (FILE_ID, OTHER_ID)]
        index.fill([*map(of_document, documents)])  # read a moment before
        index.rebuilt(generation)
        assert index.get(FILE_ID) is None
        assert index.get(OTHER_ID) is not None
        index.put(documents)
        assert index.get(FILE_ID) is not None, "and only meanwhile"


def test_any_number_of_files_is_noted_at_once(tmp_path: Path) -> None:
    count = 2 * TOGETHER + 7
    files = [document(file_id=new_id(), size=number, revision=5) for number in range(count)]
    older = [replace(each, attributes=replace(each.attributes, revision=4, size=0)) for each in files]
    later = [
        replace(each, attributes=replace(each.attributes, revision=6, status=FileStatus.DELETED))
        for each in files[: TOGETHER + 1]
    ]
    with contextlib.closing(Index(tmp_path)) as index:
        generation = index.clear()
        for some in (files, older, later):
            index.fill([*map(of_document, some)])
        index.rebuilt(generation)
        assert index.usage.files == {FileStatus.ACTIVE: count - len(later), FileStatus.DELETED: len(later)}
        assert index.usage.used == sum(range(count))
        found = {row.file_id: (row.revision, row.status) for row in index.rows(None, 2 * count)}
        expected = [(6, "deleted")] * len(later) + [(5, "active")] * (count - len(later))
        assert [found[each.attributes.file_id] for each in files] == expected


async def test_a_page_leaves_out_what_is_gone_and_what_cannot_be_trusted(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        stored = [await store(element.files, attributes(file_id=new_id()), b"x") for _ in range(5)]
        other_hour = await store(element.files, attributes(), b"y")
        paths = [next((tmp_path / "data/files").rglob(f"*{each.file_id}*.attr.json")) for each in stored]
        paths[0].unlink()
        paths[1].write_bytes(paths[1].read_bytes().replace(b'"size":1', b'"size":2'))
        paths[2].write_bytes(paths[3].read_bytes())
        members = json.loads(paths[3].read_bytes())
        paths[3].write_bytes(seal({**members, "metadata": {"long": "x" * 5000}, "colour": "red"}))
        page = await element.files.page(None, PageRequest())
        by_id = {each.file_id: each for each in page.items}
        assert len(page.items) == 3
        assert by_id.keys() == {stored[3].file_id, stored[4].file_id, other_hour.file_id}
        assert by_id[stored[3].file_id].metadata == {"long": "x" * 5000}
        assert by_id[stored[4].file_id] == stored[4]
        shutil.rmtree(paths[4].parent)
        assert [each.file_id for each in (await element.files.page(None, PageRequest())).items] == [FILE_ID]


@pytest.mark.parametrize("status", [None, FileStatus.DELETED])
def test_a_page_is_found_by_its_cursor_and_not_by_counting(tmp_path: Path, status: FileStatus | None) -> None:
    with contextlib.closing(Index(tmp_path)) as index:
        plans: list[str] = []
        index._connection.set_trace_callback(plans.append)
        index.page(status, Position(5, FILE_ID), 0, 100)
        index._connection.set_trace_callback(None)
        plan = str(index._connection.execute(f"EXPLAIN QUERY PLAN {plans[-1]}").fetchall())
        assert "SEARCH files USING" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "(uploaded_ms,file_id)>(?,?)" in plan, plan


def test_one_that_was_never_told_a_number_is_not_ahead(tmp_path: Path) -> None:
    """The process died between the first two changes of a new index."""
    index = Index(tmp_path)
    index.resume(ElementUuid("e"), "l", range(1))
    assert not index.ahead(ElementUuid("e"), "l", 5)
    index.close()


@pytest.mark.parametrize("walk", BY_ID)
def test_a_step_of_a_walk_by_id_sorts_nothing_however_many_files_there_are(tmp_path: Path, walk: str) -> None:
    Index(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {walk}", (b"", 500))]
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")], plan
