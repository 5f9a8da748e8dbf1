"""One run a home: a lock that the system takes back however the run ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from services.standalone import files, identity
from services.standalone.errors import AlreadyRunningError
from services.standalone.identity import Identity


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock. Raises `AlreadyRunningError`. Children do not inherit it: a leftover holds nothing."""
    with _opened(path) as file:
        if not _try_for_a_moment(file):
            raise AlreadyRunningError(
                f"ArtStore already runs on {path.parent}{_by(path)}. `make down` stops it; "
                "for a second one beside it set ARTSTORE_HOME and ARTSTORE_PORT."
            )
        os.ftruncate(file, 0)
        me = identity.of(os.getpid())
        os.pwrite(file, json.dumps(me.to_json() if me else {}).encode(), 0)
        yield


def is_held(path: Path) -> bool:
    """Whether a run holds it."""
    if not path.exists():
        return False
    with _opened(path) as file:
        return not _try_lock(file)


def holder(path: Path) -> Identity | None:
    """Return the run that holds the lock, or None if none does (or it has not yet said who it is)."""
    found = Identity.from_json(files.read_json(path))
    return found if found and found.alive and is_held(path) else None


def wait_for_holder(path: Path) -> Identity | None:
    """Return the same, but give a run that has only just begun a moment to say who it is."""
    deadline = time.monotonic() + 2
    while True:
        found = holder(path)
        if found or time.monotonic() > deadline or not is_held(path):
            return found
        time.sleep(0.02)


def _try_for_a_moment(descriptor: int) -> bool:
    """Try again for half a second: `status` and the like hold it for an instant, to see whether anybody does."""
    deadline = time.monotonic() + 0.5
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _by(path: Path) -> str:
    found = Identity.from_json(files.read_json(path))
    return f" (process {found.pid})" if found else ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Closing gives the lock back.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.PRIVATE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
