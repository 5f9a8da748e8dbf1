"""Marking, setting aside, putting back: cut off after every call, with an error at every call, each sync left out.

Whatever happens, every byte is at its place or in the quarantine, a damaged file is never served, and doing the same
again after a restart comes to the end that an undisturbed run has.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError, NotFound, StorageFull, StorageUnavailable
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.maintenance import Issue
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.store.durable import sync_folder, write_file
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem
from tests.doubles.clock import FakeClock
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk, every_luck
from tests.faults.size import FULL, luck, sized
from tests.support.power_cuts import LUCKS, ROOT, worth_cutting
from tests.support.storage_keeping import BY, Keeper, found
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

GOOD, WRONG, KEPT = b"good" * 500, b"evil" * 500, b"kept" * 500
STEP = sized(3, 1)
"""Of the calls at which an error is injected, one in so many."""
CHANCE = luck("quarantine")

pytestmark = pytest.mark.timeout(sized(120, 1200))
Hands = Callable[[StrictDisk], None]


def path_of(disk: StrictDisk, file_id: FileId, suffix: str) -> Path:
    [name] = [
        each
        for each in disk.paths()
        if each.startswith("files/") and file_id in each and each.endswith(ATTRIBUTES_SUFFIX) == (suffix == "attr")
    ]
    return ROOT / name


def replace_content(disk: FileSystem, path: Path, data: bytes) -> None:
    """As somebody's hand does it, durably."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(path)
    write_file(disk, path, data)
    sync_folder(disk, path.parent)


def spoil_bytes(disk: StrictDisk) -> None:
    replace_content(disk, path_of(disk, FILE_ID, "data"), WRONG)


def take_bytes(disk: StrictDisk) -> None:
    disk.unlink(path_of(disk, FILE_ID, "data"))


def take_attributes(disk: StrictDisk) -> None:
    disk.unlink(path_of(disk, FILE_ID, "attr"))


def spoil_attributes(disk: StrictDisk) -> None:
    path = path_of(disk, FILE_ID, "attr")
    replace_content(disk, path, disk.paths()[str(path.relative_to(ROOT))].replace(b"anna", b"olga"))


async def verify(keeper: Keeper) -> None:
    await keeper.verify(FILE_ID)


async def reconcile(keeper: Keeper) -> None:
    await keeper.reconcile(thorough=False)


async def restore(keeper: Keeper) -> None:
    for item in await keeper.quarantine():
        await keeper.restore(item.item_id, by=BY)


@dataclass(frozen=True)
class Story:
    """Something that is wrong, and what is done about it."""

    hands: Hands
    """What somebody does to the disk before."""
    act: Callable[[Keeper], Awaitable[None]]
    survives: bytes
    """Bytes that must be somewhere at every moment."""
    ends_as: FileStatus | None
    """What the file is at the end; None: the element does not know it any more."""
    aside: int
    """Items in the quarantine at the end."""


async def _aside_and_good_again(disk: StrictDisk, folder: Path, *, attributes_too: bool) -> StrictDisk:
    """The file was set aside, and somebody has put its right bytes into the item."""
    (spoil_attributes if attributes_too else spoil_bytes)(disk)
    kept = disk.paths()
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        keeper = Keeper(element, FakeClock())
        await keeper.reconcile(thorough=True)
        [item] = await keeper.quarantine()
    assert kept
    for name in item.names:
        text = GOOD
        if name.endswith(ATTRIBUTES_SUFFIX):
            text = disk.paths()[f"quarantine/{item.item_id}/{name}"].replace(b"olga", b"anna")
        replace_content(disk, ROOT / "quarantine" / item.item_id / name, text)
    return disk.copy()


STORIES = {
    "damage is marked and set aside": Story(spoil_bytes, verify, WRONG, FileStatus.DAMAGED, 1),
    "missing bytes are marked": Story(take_bytes, verify, KEPT, FileStatus.MISSING, 0),
    "an orphan is set aside": Story(take_attributes, reconcile, GOOD, None, 1),
    "corrupt attributes are set aside": Story(spoil_attributes, reconcile, GOOD, None, 1),
    "damaged bytes are put back": Story(spoil_bytes, restore, GOOD, FileStatus.ACTIVE, 0),
    "a corrupt file is put back": Story(spoil_attributes, restore, GOOD, FileStatus.ACTIVE, 0),
}


@pytest.fixture(params=list(STORIES))
def story(request: pytest.FixtureRequest) -> Story:
    return STORIES[request.param]


async def base(story: Story, folder: Path) -> StrictDisk:
    """Two files of one hour, one of which has come to harm; their index lies in `folder`."""
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), GOOD)
        await store(element.files, attributes(file_id=OTHER_ID), KEPT)
    if story.act is restore:
        return await _aside_and_good_again(disk, folder, attributes_too=story.hands is spoil_attributes)
    story.hands(disk)
    return disk.copy()


@dataclass
class Outcome:
    """What is left."""

    disk: StrictDisk
    folder: Path
    calls: list[Call]
    answered: bool


async def run(
    story: Story, start: Path, disk: StrictDisk, before: Callable[[int], object] = lambda number: None
) -> Outcome:
    """Act; `before` is told the number of each call."""
    watched, folder, answered = WatchedDisk(disk.copy()), _copied(start), False
    first = 0
    raw: Exception | None = None
    with contextlib.suppress(PowerCut):
        async with opened(folder, fs=watched, data_dir=ROOT) as element:
            first = len(watched.calls)
            watched.before = lambda call: before(len(watched.calls) - first - 1)
            try:
                await story.act(Keeper(element, FakeClock()))
                answered = True
            except (StorageFull, StorageUnavailable):
                pass
            except Exception as error:  # noqa: BLE001 - raised when the element is closed, whose own end would hide it
                raw = error
            finally:
                watched.cut_after(0)
    if raw is not None:
        raise raw
    assert isinstance(watched.inner, StrictDisk)
    return Outcome(watched.inner, folder, watched.calls[first:], answered)


def lucks_at(number: int) -> list[random.Random | None]:
    """The strictest cut at every call, the others in turn."""
    if FULL:
        return LUCKS
    return [None, LUCKS[1 + number // 2 % 4]] if number % 2 == 0 else [None]


def cut_at(number: int, skip: int | None = None) -> Callable[[int], object]:
    def before(call: int) -> object:
        if call >= number:
            raise PowerCut
        return SKIPPED if call == skip else None

    return before


async def check(story: Story, outcome: Outcome, chance: random.Random | None) -> None:
    """Nothing is lost, nothing wrong is served, and the same again comes to the same end."""
    disk = outcome.disk.crash(chance)
    assert somewhere(disk, story.survives), "it is lost"
    assert somewhere(disk, KEPT)
    folder = _copied(outcome.folder)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await nothing_wrong_is_served(element)
        keeper = Keeper(element, FakeClock())
        if outcome.answered:
            assert await status(element) is story.ends_as, "what was answered has happened"
        await story.act(keeper)
        assert await status(element) is story.ends_as
        # A crash between the second name and the end of the first leaves both, and the next pass sets aside again.
        assert len(await keeper.quarantine()) in {story.aside, 2 * story.aside}
        for item in await keeper.quarantine():
            assert item.reason, "it is known why"
        assert somewhere(disk, story.survives)
        left = found(await keeper.reconcile(thorough=True))
        assert set(left) <= {Issue.MISSING, Issue.MISMATCH}, left
    assert not [path for path in disk.paths() if path.startswith("incoming/")]
    shutil.rmtree(folder)


def somewhere(disk: StrictDisk, data: bytes) -> bool:
    return any(content == data and path.startswith(("files/", "quarantine/")) for path, content in disk.paths().items())


async def nothing_wrong_is_served(element: Element) -> None:
    keeper = Keeper(element, FakeClock())
    for file_id, right in ((FILE_ID, GOOD), (OTHER_ID, KEPT)):
        served = b""
        try:
            async for frame in keeper.download(file_id, None):
                served += frame if isinstance(frame, bytes) else b""
        except ArtStoreError:
            assert file_id != OTHER_ID
        else:
            assert served == right


async def status(element: Element) -> FileStatus | None:
    try:
        return (await element.files.find(FILE_ID)).attributes.status
    except NotFound:
        return None


async def test_undisturbed_it_comes_to_its_end(story: Story, memory: Path) -> None:
    start = memory / "start"
    disk = await base(story, start)
    outcome = await run(story, start, disk)
    assert outcome.answered
    for chance in LUCKS:
        await check(story, outcome, chance)


async def test_a_power_cut_at_any_call_loses_nothing(story: Story, memory: Path) -> None:
    start = memory / "start"
    disk = await base(story, start)
    calls = (await run(story, start, disk)).calls
    assert len(calls) >= 10, "there is something to cut"
    for turn, number in enumerate(range(len(calls)) if FULL else worth_cutting(calls)):
        outcome = await run(story, start, disk, cut_at(number))
        for chance in lucks_at(turn):
            await check(story, outcome, chance)
        shutil.rmtree(outcome.folder)


async def test_an_error_at_any_call_loses_nothing(story: Story, memory: Path) -> None:
    start = memory / "start"
    disk = await base(story, start)
    total = len((await run(story, start, disk)).calls)
    for number in range(CHANCE.randrange(STEP), total, STEP):

        def before(call: int, number: int = number) -> object:
            if call == number:
                raise OSError((errno.EIO, errno.ENOSPC)[number // STEP % 2], "injected")
            return None

        outcome = await run(story, start, disk, before)
        outcome.answered = False  # a part of it may have been left for the next pass
        await check(story, outcome, None)
        shutil.rmtree(outcome.folder)


async def test_each_single_sync_is_needed_and_its_absence_noticed(memory: Path) -> None:
    story = STORIES["an orphan is set aside"]
    start = memory / "start"
    disk = await base(story, start)
    calls = (await run(story, start, disk)).calls
    links = [number for number, call in enumerate(calls) if call.name == "link"]
    syncs = [number for number, call in enumerate(calls) if call.name == "fsync"]
    needed = [number for number in syncs if calls[number - 1].name == "open"]
    assert links
    unnoticed = [str(calls[number - 1]) for number in needed if not await _noticed(story, start, disk, calls, number)]
    # The bytes were durable already, and a reason that is lost is only missed by people.
    assert all("files/" in each or "reason.json" in each for each in unnoticed), unnoticed


async def _noticed(story: Story, start: Path, disk: StrictDisk, calls: list[Call], skip: int) -> bool:
    for number in reversed([each for each in worth_cutting(calls) if each > skip]):
        outcome = await run(story, start, disk, cut_at(number, skip))
        for chance in every_luck():
            try:
                await check(story, outcome, chance)
            except AssertionError:
                return True
            except Exception:  # noqa: BLE001 - the store itself notices
                return True
    return False


def _copied(folder: Path) -> Path:
    copy = folder.with_name(f"{folder.name}-{next(_numbers)}")
    shutil.copytree(folder, copy)
    return copy


_numbers = itertools.count(1)
