"""The epoch and the fence: whoever was first, and who can still commit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.storage.store.fs import FileSystem
from services.storage.store.layout import Layout
from services.storage.store.leadership import Superseded, claim, fence, latest_epoch
from tests.doubles.disks import Call, WatchedDisk

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for folder in (layout.epochs, layout.incoming, layout.quarantine):
        folder.mkdir()
    return layout


@pytest.fixture
def disk() -> WatchedDisk:
    return WatchedDisk(FileSystem())


def test_an_epoch_is_claimed_once(disk: WatchedDisk, layout: Layout) -> None:
    claim(disk, layout, 1)
    assert latest_epoch(disk, layout) == 1
    assert layout.temporaries(1).is_dir()
    with pytest.raises(Superseded):
        claim(disk, layout, 1)


def test_a_claim_that_was_overtaken_leaves_no_folder_behind_the_fence(disk: WatchedDisk, layout: Layout) -> None:
    """The later one fenced before this one made its folder: nobody would remove it any more."""
    other = FileSystem()

    def overtake(call: Call) -> None:
        if call.name == "mkdir" and call.arguments[0] == layout.temporaries(1):
            claim(other, layout, 2)
            fence(other, layout, 2, NOW)

    disk.before = overtake
    with pytest.raises(Superseded):
        claim(disk, layout, 1)
    assert [each.name for each in layout.incoming.iterdir()] == [layout.temporaries(2).name]


def test_a_claim_overtaken_at_any_call_never_leaves_two_who_can_commit(layout: Layout) -> None:
    calls, other = 0, FileSystem()
    while True:
        disk, at = WatchedDisk(FileSystem()), calls

        def overtake(call: Call, disk: WatchedDisk = disk, at: int = at) -> None:
            if len(disk.calls) == at + 1:
                later = latest_epoch(other, layout) + 1
                claim(other, layout, later)
                fence(other, layout, later, NOW)

        disk.before = overtake
        mine = latest_epoch(other, layout) + 1
        try:
            claim(disk, layout, mine)
            fence(disk, layout, mine, NOW)
        except (Superseded, FileNotFoundError):
            mine = 0
        latest = latest_epoch(other, layout)
        able = {int(each.name) for each in layout.incoming.iterdir()}
        assert able == {latest}
        assert mine in (0, latest) or mine not in able
        if len(disk.calls) <= at:
            break
        calls += 1
    assert calls > 5


def test_the_fence_empties_a_folder_until_it_is_gone(disk: WatchedDisk, layout: Layout) -> None:
    claim(disk, layout, 1)
    old = layout.temporaries(1)
    (old / "a.part").touch()
    (old / "folder").mkdir()
    claim(disk, layout, 2)
    late = iter(["b.part", "c.part"])

    def refill(call: Call) -> None:
        if call.name == "rmdir" and (name := next(late, None)) is not None:
            (old / name).touch()

    disk.before = refill
    assert fence(disk, layout, 2, NOW) == 3
    assert not old.exists()
    assert list(layout.temporaries(2).iterdir()) == []
    assert [each.name.endswith("_foreign") for each in layout.quarantine.iterdir()] == [True]


def test_one_who_is_fenced_while_he_fences_gives_up(disk: WatchedDisk, layout: Layout) -> None:
    claim(disk, layout, 1)
    (layout.temporaries(1) / "a.part").touch()
    claim(disk, layout, 2)
    other = FileSystem()

    def overtake(call: Call) -> None:
        if call.name == "rename" and latest_epoch(other, layout) == 2:
            claim(other, layout, 3)
            fence(other, layout, 3, NOW)

    disk.before = overtake
    with pytest.raises(Superseded):
        fence(disk, layout, 2, NOW)
    assert [each.name for each in layout.incoming.iterdir()] == [layout.temporaries(3).name]


def test_an_earlier_epoch_does_not_fence_a_later_one(disk: WatchedDisk, layout: Layout) -> None:
    claim(disk, layout, 1)
    claim(disk, layout, 2)
    with pytest.raises(Superseded):
        fence(disk, layout, 1, NOW)
    assert layout.temporaries(2).is_dir()
