"""Reconciliation finds what does not agree, and destroys none of it."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.elements import Mode
from services.model.errors import Conflict, NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.maintenance import Finding, Issue, ReconcileReport
from services.model.paging import PageRequest
from services.storage.domain.documents import Document, encode
from services.storage.domain.names import ATTRIBUTES_SUFFIX, folder_of
from services.storage.domain.seal import seal, unseal
from services.storage.domain.surveying import Strange
from services.storage.store.fs import FileSystem
from tests.doubles.clock import FakeClock
from tests.doubles.disks import Call, WatchedDisk
from tests.doubles.documents import new_id
from tests.support.storage_keeping import BY, Keeper, found
from tests.support.storage_store import content_of, opened, store, tree
from tests.unit.storage.samples import FILE_ID, NOW, OTHER_ID, attributes
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"%PDF-1.7 " + bytes(range(256)) * 50
FOLDER = folder_of(FILE_ID)


class House(Keeper):
    """An element with two files in one hour, and hands that reach its disk."""

    root: Path
    clock: FakeClock

    @property
    def hour(self) -> Path:
        return self.root / "files" / FOLDER

    def paths(self, file_id: FileId) -> tuple[Path, Path]:
        """Data and attributes of a file."""
        [text] = (self.root / "files").rglob(f"*{file_id}*{ATTRIBUTES_SUFFIX}")
        return text.with_name(text.name.removesuffix(ATTRIBUTES_SUFFIX)), text

    def contents(self) -> set[str]:
        """Digests of everything anywhere below the element that is not attributes."""
        return {
            hashlib.sha256(data).hexdigest()
            for path, data in tree(self.root).items()
            if path.startswith(("files/", "quarantine/")) and not path.endswith(".json")
        }


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        made = House(element, clock)
        made.root = tmp_path / "data"
        await store(element.files, attributes(), DATA)
        await store(element.files, attributes(file_id=OTHER_ID), DATA[1:])
        yield made


def only(report: ReconcileReport) -> Finding:
    [finding] = report.findings
    return finding


async def test_an_element_in_order_has_no_issues_and_is_not_changed(house: House) -> None:
    before = tree(house.root / "files")
    report = await house.reconcile()
    assert (report.files, found(report), report.corrected, report.omitted) == (2, {}, 0, 0)
    assert set(report.counts) == set(Issue)
    assert tree(house.root / "files") == before


async def test_bytes_without_attributes_are_set_aside_and_cannot_come_back_without(house: House) -> None:
    data, text = house.paths(FILE_ID)
    kept = text.read_bytes()
    text.unlink()
    report = await house.reconcile(thorough=False)
    assert found(report)[Issue.ORPHANED] == 1
    [item] = await house.quarantine()
    assert (item.kind, item.names, item.file_id, item.path) == (
        "orphaned", (data.name,), FILE_ID, f"files/{FOLDER}/{data.name}",
    )  # fmt: skip
    with pytest.raises(Conflict, match="no attributes"):
        await house.restore(item.item_id, by=BY)
    (house.root / "quarantine" / item.item_id / text.name).write_bytes(kept)
    restored = await house.restore(item.item_id, by=BY)
    assert (restored.status, restored.revision) == (FileStatus.ACTIVE, 2)
    assert await content_of(house.element.files, restored) == DATA
    assert found(await house.reconcile()) == {}


async def test_the_index_forgets_what_the_disk_does_not_have(house: House) -> None:
    for path in house.paths(FILE_ID):
        path.rename(house.root / path.name)
    report = await house.reconcile()
    assert (only(report).issue, only(report).file_id, report.corrected) == (Issue.MISSING, FILE_ID, 1)
    assert house.element.files.usage().files == {FileStatus.ACTIVE: 1}
    for path in house.root.glob(f"*{FILE_ID}*"):
        path.rename(house.hour / path.name)
    report = await house.reconcile()
    assert (found(report), report.corrected) == ({}, 1)
    assert house.element.files.usage().files == {FileStatus.ACTIVE: 2}


async def test_attributes_without_bytes_are_missing_until_the_bytes_are_there_again(house: House) -> None:
    data, _ = house.paths(FILE_ID)
    data.rename(house.root / "elsewhere")
    report = await house.reconcile(thorough=False)
    assert (only(report).issue, only(report).file_id) == (Issue.MISSING, FILE_ID)
    assert (await house.element.files.find(FILE_ID)).attributes.status is FileStatus.MISSING
    (house.root / "elsewhere").rename(data)
    assert found(await house.reconcile(thorough=False)) == {}
    assert (await house.element.files.find(FILE_ID)).attributes.status is FileStatus.ACTIVE


async def test_another_size_is_seen_at_once_and_another_digest_when_every_byte_is_read(house: House) -> None:
    data, _ = house.paths(FILE_ID)
    data.write_bytes(DATA[:-1])
    other, _ = house.paths(OTHER_ID)
    other.write_bytes(DATA[1:-1] + b"?")
    report = await house.reconcile(thorough=False)
    assert (only(report).issue, only(report).file_id) == (Issue.MISMATCH, FILE_ID)
    report = await house.reconcile(thorough=True)
    assert [(each.issue, each.file_id) for each in report.findings] == [
        (Issue.MISMATCH, FILE_ID),
        (Issue.MISMATCH, OTHER_ID),
    ]
    assert len(await house.quarantine()) == 2
    assert house.element.files.usage().files[FileStatus.DAMAGED] == 2


async def test_attributes_that_cannot_be_trusted_are_set_aside_with_their_bytes(house: House) -> None:
    data, text = house.paths(FILE_ID)
    good = text.read_bytes()
    text.write_bytes(good.replace(b"anna", b"olga"))
    report = await house.reconcile()
    assert found(report) == {Issue.CORRUPT: 1}
    assert "seal" in only(report).detail
    [item] = await house.quarantine()
    assert (item.kind, item.names) == ("corrupt", (data.name, text.name))
    with pytest.raises(NotFound):
        await house.element.files.find(FILE_ID)
    with pytest.raises(Conflict, match="cannot be trusted"):
        await house.restore(item.item_id, by=BY)
    (house.root / "quarantine" / item.item_id / text.name).write_bytes(good)
    assert await content_of(house.element.files, await house.restore(item.item_id, by=BY)) == DATA
    [listed] = [each for each in (await house.element.files.page(None, PageRequest())).items if each.file_id == FILE_ID]
    assert (listed.revision, listed.uploaded_by) == (2, "anna")


async def test_what_a_newer_version_has_written_stays(house: House) -> None:
    _, text = house.paths(FILE_ID)
    members = unseal(text.read_bytes()) | {"schema_version": 2}
    del members["revision"]
    text.write_bytes(seal(members))
    report = await house.reconcile()
    assert found(report) == {Issue.FOREIGN: 1}
    assert "newer version" in only(report).detail
    assert text.exists()


async def test_a_copy_in_the_same_folder_or_another_is_a_duplicate(house: House) -> None:
    data, text = house.paths(FILE_ID)
    document = await house.element.files.find(FILE_ID)
    name = data.name.replace("анна", "").replace("_anna_", "_olga_")
    assert name != data.name
    (house.hour / name).write_bytes(DATA)
    copied = Document(replace(document.attributes, revision=7, description="newer"), name)
    (house.hour / f"{name}{ATTRIBUTES_SUFFIX}").write_bytes(encode(copied))
    wrong = house.root / "files" / "2020/01/02/03"
    wrong.mkdir(parents=True)
    (wrong / data.name).write_bytes(DATA)
    (wrong / text.name).write_bytes(text.read_bytes())
    report = await house.reconcile()
    assert found(report) == {Issue.DUPLICATE: 2}
    assert {item.kind: len(item.names) for item in await house.quarantine()} == {"duplicate": 2}
    assert not list(wrong.iterdir())
    kept = (await house.element.files.find(FILE_ID)).attributes
    assert (kept.revision, kept.description) == (7, "newer"), "the highest revision is kept"
    for item in await house.quarantine():
        with pytest.raises(Conflict, match="has a file of this id"):
            await house.restore(item.item_id, by=BY)
    assert found(await house.reconcile()) == {}


async def test_a_copy_whose_attributes_are_spoiled_does_not_take_the_good_ones_along(house: House) -> None:
    data, text = house.paths(FILE_ID)
    copy = text.with_name(text.name.replace("_anna_", "_olga_"))
    copy.write_bytes(text.read_bytes())
    report = await house.reconcile()
    assert found(report) == {Issue.DUPLICATE: 1}
    assert (await house.element.files.find(FILE_ID)).storage_filename == data.name
    assert not copy.exists()


async def test_strange_things_are_told_and_stay_where_they_are(house: House) -> None:
    (house.hour / "README.txt").write_text("mine")
    (house.hour / "folder").mkdir()
    (house.hour / ".nfs000000001").write_text("open")
    (house.hour / "x.attr.json").write_text("{}")
    (house.root / "files" / "notes").mkdir()
    (house.hour / "link").symlink_to("/etc/passwd")
    wrong = house.root / "files" / "2020/01/02/03"
    wrong.mkdir(parents=True)
    (wrong / f"a_b_20200102T030000_{new_id()}.pdf").write_text("whose?")
    before = tree(house.root / "files")
    report = await house.reconcile()
    assert found(report) == {Issue.FOREIGN: 6, Issue.SYMLINK: 1}
    assert tree(house.root / "files") == before
    assert await house.quarantine() == []
    details = {each.path.rpartition("/")[2]: each.detail for each in report.findings}
    assert "NFS" in details[".nfs000000001"]


async def test_a_link_in_the_place_of_bytes_is_not_followed(house: House) -> None:
    data, _ = house.paths(FILE_ID)
    data.rename(house.root / "elsewhere")
    data.symlink_to(house.root / "elsewhere")
    report = await house.reconcile()
    assert found(report)[Issue.SYMLINK] == 1
    assert data.is_symlink()
    assert (await house.element.files.find(FILE_ID)).attributes.status is FileStatus.ACTIVE


async def test_damage_of_every_kind_at_once_is_found_and_no_byte_of_it_is_lost(house: House) -> None:
    files = [await store(house.element.files, attributes(file_id=new_id()), bytes([n]) * 500) for n in range(5)]
    orphan, missing, size, digest, corrupt = (house.paths(each.file_id) for each in files)
    orphan[1].rename(house.root / "attributes of the orphan")
    missing[0].rename(house.root / "bytes of the missing")
    size[0].write_bytes(b"too short")
    digest[0].write_bytes(b"x" * 500)
    spoiled = corrupt[1].read_bytes().replace(b"anna", b"olga")
    corrupt[1].write_bytes(spoiled)
    (house.hour / "README.txt").write_text("mine")
    (house.hour / "link").symlink_to("nowhere")
    data, text = house.paths(OTHER_ID)
    (orphan[0].parent / text.name).write_bytes(text.read_bytes())
    before = house.contents()
    report = await house.reconcile()
    assert found(report) == {
        Issue.ORPHANED: 1, Issue.MISSING: 2, Issue.MISMATCH: 2, Issue.CORRUPT: 1, Issue.DUPLICATE: 1,
        Issue.SYMLINK: 1, Issue.FOREIGN: 1,
    }  # fmt: skip
    assert before <= house.contents()
    assert spoiled in tree(house.root / "quarantine").values()
    again = found(await house.reconcile())
    assert again == {Issue.MISSING: 1, Issue.MISMATCH: 2, Issue.SYMLINK: 1, Issue.FOREIGN: 1}
    assert data.exists()


async def test_in_ar_only_attributes_are_looked_at_and_nothing_is_moved(house: House) -> None:
    house.paths(FILE_ID)[0].unlink()
    other, spoiled = house.paths(OTHER_ID)
    spoiled.write_bytes(spoiled.read_bytes().replace(b"anna", b"olga"))
    await become(house.gate, mode_state(Mode.AR))
    before = tree(house.root / "files")
    report = await house.reconcile()
    assert found(report) == {Issue.CORRUPT: 1}
    assert tree(house.root / "files") == before
    assert await house.quarantine() == []
    assert other.exists()


async def test_an_upload_under_way_is_not_taken_for_an_orphan(house: House) -> None:
    """Its bytes lie at their place a moment before its attributes: whoever moves something holds the file's lock."""
    file_id = new_id()
    data = house.root / "files" / folder_of(file_id) / f"a_b_20261121T034000_{file_id}.pdf"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_bytes(b"on their way")
    strange = Strange(Issue.ORPHANED, f"{folder_of(file_id)}/{data.name}", "", file_id)
    await store(house.element.files, attributes(file_id=OTHER_ID), DATA[1:])
    document = Document(replace(attributes(), file_id=file_id), data.name)
    data.with_name(f"{data.name}{ATTRIBUTES_SUFFIX}").write_bytes(encode(document))
    assert await house.element.keeping.set_aside(strange, reason=None) is None  # type: ignore[arg-type] # not used
    assert data.exists()


async def test_files_that_have_ended_are_left_to_the_garbage_collection(house: House) -> None:
    def ended(document: Document) -> FileAttributes:
        return replace(document.attributes, status=FileStatus.DELETED, revision=2, deleted_at=NOW)

    await house.element.files.change(FILE_ID, ended)
    house.paths(FILE_ID)[0].unlink()
    house.clock.advance(timedelta(days=40))
    house.paths(OTHER_ID)[0].unlink()
    assert found(await house.reconcile()) == {}
    assert (await house.element.files.find(FILE_ID)).attributes.status is FileStatus.DELETED


async def test_the_quarantine_is_listed_in_pages(house: House) -> None:
    for n in range(5):
        file = await store(house.element.files, attributes(file_id=new_id()), bytes([n]))
        house.paths(file.file_id)[1].unlink()
        house.clock.advance(1)
    await house.reconcile()
    pages = [await house.list_quarantine(PageRequest(limit=2, offset=offset)) for offset in (0, 2, 4)]
    assert [(page.total, len(page.items), page.has_more) for page in pages] == [
        (5, 2, True),
        (5, 2, True),
        (5, 1, False),
    ]
    by_cursor, cursor = list[str](), ""
    while True:
        page = await house.list_quarantine(PageRequest(limit=2, cursor=cursor))
        by_cursor += [item.item_id for item in page.items]
        if not page.has_more:
            break
        cursor = page.next_cursor
    assert by_cursor == [item.item_id for page in pages for item in page.items]


async def test_what_the_disk_does_not_give_is_told_and_not_moved_and_stops_nothing(tmp_path: Path) -> None:
    disk = WatchedDisk(FileSystem())
    async with opened(tmp_path, clock=FakeClock(NOW), fs=disk) as element:
        keeper = Keeper(element, FakeClock(NOW))
        await store(element.files, attributes(), DATA)
        await store(element.files, attributes(file_id=OTHER_ID), DATA)

        def fail(call: Call) -> None:
            path = str(call.arguments[0])
            if call.name == "open" and FILE_ID in path and path.endswith(ATTRIBUTES_SUFFIX):
                raise OSError(errno.EIO, "Input/output error")

        disk.before = fail
        report = await keeper.reconcile()
        assert (found(report), report.files) == ({Issue.CORRUPT: 1}, 1)
        assert "does not give" in only(report).detail
        disk.well()
        assert await keeper.quarantine() == []
        assert found(await keeper.reconcile()) == {}


async def test_a_process_that_was_fenced_moves_nothing(house: House) -> None:
    data, text = house.paths(FILE_ID)
    text.unlink()
    (house.root / "incoming" / f"{house.element.epoch:010}").rmdir()  # as whoever took over does
    await house.reconcile()
    assert data.read_bytes() == DATA
