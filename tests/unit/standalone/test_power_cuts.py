"""What a power cut leaves of the small files of a home."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.standalone import files, home
from services.standalone.credentials import Credentials


class Disk:
    """A strict one: a file is left once it was synced, and its entry in a folder once that folder was."""

    def __init__(self) -> None:
        self._files: set[int] = set()
        self._folders: dict[int, dict[str, int]] = {}

    def fsync(self, descriptor: int) -> None:
        """What `os.fsync` is while it is watched."""
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(descriptor) as entries:
                self._folders[found.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            self._files.add(found.st_ino)

    def leaves(self, path: Path, *, below: Path) -> bool:
        """Whether the file is there after a power cut, at this path, in a folder that was there before."""
        way = [path, *(folder for folder in path.parents if folder.is_relative_to(below) and folder != below)]
        return path.stat().st_ino in self._files and all(
            self._folders.get(each.parent.stat().st_ino, {}).get(each.name) == each.stat().st_ino for each in way
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    watched = Disk()
    monkeypatch.setattr(os, "fsync", watched.fsync)
    return watched


def test_a_durable_file_is_left_and_another_is_not_waited_for(disk: Disk, tmp_path: Path) -> None:
    files.write(tmp_path / "other", "x", durable=False)
    assert not disk.leaves(tmp_path / "other", below=tmp_path)
    files.write(tmp_path / "key", "first")
    files.write(tmp_path / "key", "second")
    assert disk.leaves(tmp_path / "key", below=tmp_path)


def test_the_secrets_of_a_new_home_are_left_with_all_folders_above_them(disk: Disk, tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "new/home")
    for path in (made.marker, Credentials(made.secrets).key_encryption_key):
        assert disk.leaves(path, below=tmp_path)
