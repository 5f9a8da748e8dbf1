"""Which directory may be served, and by whom."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from services.model.elements import Mode
from services.model.ids import StorageId
from services.storage.domain.seal import seal, unseal
from services.storage.store.element import open_element
from services.storage.store.fs import FileSystem
from services.storage.store.refusal import ElementRefused
from services.storage.store.reseal import reseal
from tests.doubles.clock import FakeClock
from tests.doubles.disks import WatchedDisk
from tests.support.storage_store import opened, options, store, tree
from tests.unit.storage.samples import attributes


def refused(folder: Path, reason: str, **changes: object) -> None:
    with pytest.raises(ElementRefused, match=reason), open_element(options(folder, **changes), clock=FakeClock()):
        pytest.fail("it was opened")


async def test_an_empty_directory_becomes_an_element_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        first = element.identity
    async with opened(tmp_path, init=False) as element:
        assert element.identity == first
    members = unseal((tmp_path / "data/element.json").read_bytes())
    assert set(members) == {"format", "storage_id", "element_uuid", "created_at"}
    assert members["storage_id"] == "se-1"


def test_an_empty_directory_stays_empty_without_init(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    refused(tmp_path, "not a storage element.*mounted", init=False)
    assert list((tmp_path / "data").iterdir()) == []
    refused(tmp_path / "nowhere", "not a storage element", init=False)
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_with_anything_in_it_does_not_become_an_element(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "photos.zip").touch()
    refused(tmp_path, "not empty.*photos.zip")
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["photos.zip"]


async def test_what_mkfs_and_an_interrupted_first_start_leave_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "data" / "lost+found").mkdir(parents=True)
    (tmp_path / "data" / ".element.0b1c").write_bytes(b"{")
    (tmp_path / "data" / ".leader.lock").touch()
    async with opened(tmp_path) as element:
        assert element.epoch == 1


async def test_an_unmounted_directory_is_refused_even_with_init(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"x")
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    refused(tmp_path, "index directory knows element.*mounted")
    assert list((tmp_path / "data").iterdir()) == []


async def test_an_index_of_another_element_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "a"), opened(tmp_path / "b"):
        pass
    refused(tmp_path / "a", "index directory belongs to element", index_dir=tmp_path / "b" / "index")


async def test_an_index_from_another_version_is_still_a_witness(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "index/index.sqlite") as connection:
        connection.execute("UPDATE about SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    async with opened(tmp_path, indexed=False) as element:
        with pytest.raises(Exception, match="being made"):
            await element.check_index()
    shutil.rmtree(tmp_path / "data")
    refused(tmp_path, "index directory knows element")


async def test_a_directory_belongs_to_one_storage_id(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    refused(tmp_path, "is element se-1, not se-2", storage_id=StorageId("se-2"))


async def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"x")
        refused(tmp_path, "another process serves", index_dir=tmp_path / "second")
        refused(tmp_path, "another process serves")
        assert (await element.files.find(attributes().file_id)).attributes.size == 1


async def test_a_damaged_identity_is_refused_with_the_way_out(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    path = tmp_path / "data/element.json"
    path.write_bytes(path.read_bytes().replace(b"se-1", b"se-2"))
    refused(tmp_path, "damaged.*python -m services.storage seal")


async def test_a_later_format_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    path = tmp_path / "data/element.json"
    path.write_bytes(seal({**unseal(path.read_bytes()), "format": 2}))
    refused(tmp_path, "format 2")


def test_the_index_does_not_lie_in_the_data(tmp_path: Path) -> None:
    refused(tmp_path, "lies in SE_DATA_DIR", index_dir=tmp_path / "data" / "index")
    refused(tmp_path, "lies in SE_DATA_DIR", index_dir=tmp_path / "data")


def test_an_index_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    refused(tmp_path, "cannot be used")


async def test_the_configured_mode_counts_for_a_new_element_only(tmp_path: Path) -> None:
    async with opened(tmp_path, mode=Mode.RW) as element:
        assert (element.mode.mode, element.mode.revision) == (Mode.RW, 1)
    async with opened(tmp_path, mode=Mode.EDIT) as element:
        assert element.mode.mode is Mode.RW


@pytest.mark.parametrize("change", [{"mode": "rwx"}, {"revision": "x"}, {"changed_at": "yesterday"}])
async def test_a_mode_that_is_not_understood_is_refused_rather_than_guessed(
    tmp_path: Path, change: dict[str, str]
) -> None:
    async with opened(tmp_path):
        pass
    path = tmp_path / "data/mode.json"
    path.write_bytes(seal({**unseal(path.read_bytes()), **change}))
    refused(tmp_path, "mode.json is not understood")
    path.write_bytes(b"")
    refused(tmp_path, "mode.json is damaged")


async def test_a_mode_edited_by_hand_counts_once_it_is_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    path = tmp_path / "data/mode.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "mode": "ro"}, indent=2))
    refused(tmp_path, "damaged")
    reseal(FileSystem(), path)
    async with opened(tmp_path) as element:
        assert element.mode.mode is Mode.RO
    assert not [name for name in tree(tmp_path) if name.endswith(".sealing")]


async def test_every_start_claims_an_epoch_and_removes_what_the_last_one_left(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        async with opened(tmp_path) as element:
            assert element.epoch == epoch
            assert [each.name for each in (tmp_path / "data/incoming").iterdir()] == [f"{epoch:010}"]
            (tmp_path / "data/incoming" / f"{epoch:010}" / "left.part").write_bytes(b"half")
    assert sorted(each.name for each in (tmp_path / "data/.epochs").iterdir()) == [
        "0000000001",
        "0000000002",
        "0000000003",
    ]


async def test_a_foreign_folder_among_the_temporaries_is_set_aside_not_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path):
        foreign = tmp_path / "data/incoming/0000000001/somebody"
        foreign.mkdir()
        (foreign / "thesis.doc").write_text("ten years of work")
        (tmp_path / "data/incoming/notes.txt").write_text("mine")
    async with opened(tmp_path):
        pass
    found = tree(tmp_path / "data")
    assert b"ten years of work" in found.values()
    assert found["incoming/notes.txt"] == b"mine"


async def test_files_survive_a_restart_and_need_no_scan_after_a_clean_stop(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"x")
    async with opened(tmp_path, indexed=False) as element:
        await element.check_index()
        assert element.files.usage().used == 1


async def test_folders_on_different_file_systems_are_refused(tmp_path: Path) -> None:
    disk = WatchedDisk(FileSystem())
    disk.before = lambda call: 77 if call.name == "device" and call.arguments[0].name == "quarantine" else None
    with pytest.raises(ElementRefused, match="different file systems"):
        async with opened(tmp_path, fs=disk):
            pytest.fail("it was opened")


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version":1}', '{"a":1}'])
async def test_only_documents_are_sealed_as_documents(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.pdf.attr.json"
    path.write_text(text)
    with pytest.raises(ElementRefused):
        reseal(FileSystem(), path)
    assert path.read_text() == text


async def test_attributes_edited_by_hand_are_served_once_they_are_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), b"x")
    [path] = (tmp_path / "data/files").rglob("*.attr.json")
    path.write_text(
        json.dumps({**json.loads(path.read_bytes()), "description": "edited"}, indent=1, ensure_ascii=False)
    )
    reseal(FileSystem(), path)
    async with opened(tmp_path) as element:
        assert (await element.files.find(attributes().file_id)).attributes.description == "edited"
