"""A large upload goes to the disk while it comes in, and does not stay in the system's memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from services.chassis.steps import LARGEST
from services.model.errors import StorageUnavailable
from services.storage.store.incoming import PUSH
from tests.doubles.disks import Call, StrictDisk, WatchedDisk
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import attributes

ROOT = Path("/strict/data")
LARGE = bytes(PUSH + 4 * LARGEST)


def failing_once(name: str) -> WatchedDisk:
    """A disk of which one call fails, the first of its name once much of an upload has been written."""
    watched = WatchedDisk(StrictDisk(ROOT))
    written = failed = 0

    def fail(call: Call) -> None:
        nonlocal written, failed
        written += len(call.arguments[1]) if call.name == "write" else 0
        if call.name == name and written >= PUSH and not failed:
            failed = 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    watched.before = fail
    return watched


async def test_it_is_pushed_to_the_disk_and_then_forgotten_before_its_end(memory: Path) -> None:
    watched = WatchedDisk(StrictDisk(ROOT))
    async with opened(memory, fs=watched, data_dir=ROOT) as element:
        await store(element.files, attributes(), LARGE)
    calls = [call for call in watched.calls if call.name in ("write", "fdatasync", "forget")]
    at = next(number for number, call in enumerate(calls) if call.name == "forget")
    part = calls[at].arguments[0]
    before = [call for call in calls[:at] if call.arguments[0] == part]
    assert any(call.name == "fdatasync" for call in before)
    assert sum(len(call.arguments[1]) for call in before if call.name == "write") >= PUSH


async def test_a_file_system_that_forgets_nothing_takes_it_all_the_same(memory: Path) -> None:
    async with opened(memory, fs=failing_once("forget"), data_dir=ROOT) as element:
        assert (await store(element.files, attributes(), LARGE)).size == len(LARGE)
        assert element.files.writable


async def test_a_push_that_fails_fails_the_upload(memory: Path) -> None:
    async with opened(memory, fs=failing_once("fdatasync"), data_dir=ROOT) as element:
        with pytest.raises(StorageUnavailable):
            await store(element.files, attributes(), LARGE)
