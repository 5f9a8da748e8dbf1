from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.storage.store.durable import FolderNotSynced, Folders, read_file, write_file
from services.storage.store.fs import FileSystem, Kind
from tests.doubles.disks import StrictDisk, WatchedDisk

ROOT = Path("/strict/data")


def syncs(disk: WatchedDisk) -> int:
    return sum(call.name == "fsync" for call in disk.calls)


def test_a_folder_is_there_only_after_its_parent_was_synced() -> None:
    disk = StrictDisk(ROOT)
    Folders(disk, ROOT).ensure(ROOT / "files/2026/11")
    assert disk.crash(None).exists(ROOT / "files/2026/11")


def test_a_folder_that_an_earlier_process_made_is_synced_once_more() -> None:
    disk = WatchedDisk(StrictDisk(ROOT))
    disk.mkdir(ROOT / "files")
    disk.mkdir(ROOT / "files/2026")  # and then it died
    Folders(disk, ROOT).ensure(ROOT / "files/2026")
    assert isinstance(disk.inner, StrictDisk)
    assert disk.inner.crash(None).exists(ROOT / "files/2026")


def test_a_folder_is_synced_once_in_a_process() -> None:
    disk = WatchedDisk(StrictDisk(ROOT))
    folders = Folders(disk, ROOT)
    folders.ensure(ROOT / "files/2026")
    before = syncs(disk)
    folders.ensure(ROOT / "files/2026")
    assert syncs(disk) == before
    folders.ensure(ROOT / "files/2027")
    assert syncs(disk) == before + 1


def test_a_folder_whose_sync_failed_does_not_count() -> None:
    disk = WatchedDisk(StrictDisk(ROOT))
    folders = Folders(disk, ROOT)
    disk.fail_at(2, 5)  # mkdir, open, fsync
    with pytest.raises(FolderNotSynced):
        folders.ensure(ROOT / "files")
    disk.well()
    before = syncs(disk)
    folders.ensure(ROOT / "files")
    assert syncs(disk) == before + 1


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_file(FileSystem(), tmp_path / "a", b"yours")
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_links_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        read_file(FileSystem(), tmp_path / "link", 100)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_file(FileSystem(), tmp_path / "a", 4) == b"0123"


def test_what_lies_in_a_folder_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    kinds = {each.name: each.kind for each in FileSystem().entries(tmp_path)}
    assert kinds == {"file": Kind.FILE, "folder": Kind.FOLDER, "link": Kind.LINK, "pipe": Kind.OTHER}
