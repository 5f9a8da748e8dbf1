"""A process is itself, and not whoever has its id later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.standalone import identity
from services.standalone.identity import Identity

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(SLEEPS, cwd=tmp_path)
    yield child
    child.kill()
    child.wait()


def known(pid: int) -> Identity:
    found = identity.of(pid)
    assert found is not None
    return found


def test_a_running_process_is_alive(process: subprocess.Popen[bytes]) -> None:
    assert known(process.pid).alive


def test_one_that_ended_is_not_even_before_it_is_collected(process: subprocess.Popen[bytes]) -> None:
    one = known(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, still a zombie
    assert not one.alive
    process.wait()
    assert not one.alive
    assert identity.of(process.pid) is None


def test_another_process_with_the_same_id_is_not_it(process: subprocess.Popen[bytes]) -> None:
    stranger = Identity(process.pid, "an earlier start")
    assert not stranger.alive
    assert not stranger.send(signal.SIGKILL)
    assert process.poll() is None


def test_a_signal_reaches_it(process: subprocess.Popen[bytes]) -> None:
    assert known(process.pid).send(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_it_survives_being_written_down(process: subprocess.Popen[bytes]) -> None:
    one = known(process.pid)
    assert Identity.from_json(one.to_json()) == one


@pytest.mark.parametrize("value", [None, {}, {"pid": 1, "started": "x"}, {"pid": "7", "started": "x"}, [], "x"])
def test_nonsense_is_no_identity(value: object) -> None:
    assert Identity.from_json(value) is None


def test_processes_are_found_by_where_they_stand(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert identity.with_working_directory(tmp_path) == [known(process.pid)]
    assert identity.with_working_directory(tmp_path / "below") == []
