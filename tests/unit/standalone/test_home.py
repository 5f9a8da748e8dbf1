"""A home, and only a home, is written to and deleted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.standalone import files, home
from services.standalone.errors import NotAHomeError, StandaloneError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_its_parents(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "a/b/home")
    assert made.exists
    assert {mode(made.certificates), mode(made.secrets), mode(made.logs), mode(made.root / "elements")} == {0o700}


def test_it_keeps_its_identity(tmp_path: Path) -> None:
    first = home.prepare(tmp_path / "home").identifier()
    assert home.prepare(tmp_path / "home").identifier() == first
    assert home.prepare(tmp_path / "other").identifier() != first


def test_an_empty_folder_becomes_one_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o750)
    (tmp_path / "home/lost+found").mkdir()
    home.prepare(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o750


def test_no_parents_mode_is_changed(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir(mode=0o701)
    home.prepare(tmp_path / "parent/home")
    assert mode(tmp_path / "parent") == 0o701


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
def test_what_root_makes_can_be_passed_through_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made = home.prepare(tmp_path / "new/home")
    finally:
        os.umask(before)
    assert {mode(tmp_path / "new"), mode(made.root)} == {0o755}
    assert {mode(made.run), mode(made.postgres)} == {0o711}


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(NotAHomeError, match=r"letters\.txt"):
        home.prepare(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters.txt"]


def test_a_home_of_another_format_is_left_alone(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "home")
    files.write_json(made.marker, {"format": 99, "id": "x"})
    with pytest.raises(NotAHomeError, match="99"):
        home.prepare(made.root)


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StandaloneError, match="ARTSTORE_HOME"):
        home.prepare(tmp_path / "home")


def test_removal_takes_what_runs_made_and_nothing_else(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "home")
    (made.element("se-rw-01") / "data").mkdir(parents=True)
    (made.root / "my-notes.txt").write_text("keep")
    assert home.remove(made) == ["my-notes.txt"]
    assert [entry.name for entry in made.root.iterdir()] == ["my-notes.txt"]


def test_removal_takes_the_folder_when_nothing_is_left(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "home")
    assert home.remove(made) == []
    assert not made.root.exists()


def test_removal_follows_no_link(tmp_path: Path) -> None:
    made = home.prepare(tmp_path / "home")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "document").write_text("precious")
    (made.root / "elements").rmdir()
    (made.root / "elements").symlink_to(elsewhere)
    home.remove(made)
    assert (elsewhere / "document").exists()


def test_nothing_is_removed_from_what_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "elements").mkdir()
    with pytest.raises(NotAHomeError):
        home.remove(home.Home(tmp_path))
    assert (tmp_path / "elements").exists()
