"""A check on reality: the power of a real ext4 is cut at a random moment under a process that writes."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Collection
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from services.chassis.clock import SystemClock
from services.model.ids import FileId
from services.storage.store.element import open_element
from tests.faults.forking import fork, kill
from tests.faults.history import History
from tests.faults.images import Image, mounted, needs_mounts
from tests.faults.size import FULL, luck, sized
from tests.faults.working import see_in_store, work
from tests.support.storage_store import options

MIB = 1 << 20
PATIENCE = 20.0
CUTS = sized(100, 2000)
CUTS_ON_AN_IMAGE = 25
"""Then another one is made, after all that was ever answered is read once more."""

pytestmark = [needs_mounts, pytest.mark.timeout(0 if FULL else 400)]


async def test_a_cut_of_a_real_file_system_loses_nothing_that_was_answered(memory: Path) -> None:
    answered = 0
    for number in range(0, CUTS, CUTS_ON_AN_IMAGE):
        folder = memory / str(number)
        folder.mkdir()
        with mounted(folder, 256 * MIB) as image:
            history, read = History(), set[FileId]()
            for cut in range(number, min(CUTS, number + CUTS_ON_AN_IMAGE)):
                cut_once(image, history, cut)
                chance = luck("read again", cut)
                await check(image, history, [each for each in read if chance.random() < 0.8])
                read = set(history.stories)
            await check(image, history, [])
            answered += sum(story.answered for story in history.stories.values())
    assert answered > CUTS, "there was something to lose"


def cut_once(image: Image, history: History, number: int) -> None:
    """Let a process work, and cut the power in the midst of it."""
    chance = luck("real", number)
    told, end = multiprocessing.Pipe(duplex=False)
    process = fork(work, str(image.folder), chance.randrange(1 << 32), end)
    end.close()
    try:
        assert told.poll(PATIENCE), "it does not begin"
        ends = time.monotonic() + chance.uniform(0.0, 0.15)  # the moment is what is random here
        while told.poll(max(0.0, ends - time.monotonic())):
            take(told, history)
        image.cut()
        with contextlib.suppress(EOFError):
            while told.poll(PATIENCE):
                take(told, history)
    finally:
        kill(process)
    image.unmount()
    image.mount()


def take(told: Connection, history: History) -> None:
    """Note what it tells."""
    name, *what = told.recv()
    if name != "opened":
        getattr(history, name)(*what)


async def check(image: Image, history: History, left_out: Collection[FileId]) -> None:
    """Start on what is left: everything agrees with what was answered. `left_out`: read after an earlier cut."""
    with open_element(options(image.folder, init=False, wal_segment=64 << 10), clock=SystemClock()) as element:
        await element.rebuild()
        for file_id in history.stories.keys() - set(left_out):
            history.settle(file_id, await see_in_store(element, file_id))
        assert sum(element.files.usage().files.values()) == len(history.stories), "nothing else is there"
