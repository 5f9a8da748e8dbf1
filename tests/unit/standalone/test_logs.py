"""Logs that grow are set aside while they are written to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.standalone import logs
from services.standalone.logs import KeepSmall


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 10)


class Told:
    """What the run was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, what: str, said: str) -> None:
        self.lines.append(f"{what} {said}")


class Writer:
    """A process that opened its log by itself, and may be away."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.file = log.open("a")
        self.away = False

    def write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()

    async def reopen(self) -> None:
        if self.away:
            raise ConnectionRefusedError
        self.file.close()
        self.file = self.log.open("a")


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "access.log")
    yield writer
    writer.file.close()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def test_a_log_that_has_grown_is_set_aside_and_only_some_are_kept(tmp_path: Path) -> None:
    keep_small = KeepSmall(tmp_path, {}, Told())
    log = tmp_path / "x.log"
    with log.open("a") as child:  # as a process has it
        for number in range(6):
            child.write(f"{number}" * 10)
            child.flush()
            await keep_small()
        child.write("on")
    assert names(tmp_path) == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
    assert [(tmp_path / f"x.log.{number}").read_text()[0] for number in (1, 2, 3)] == ["5", "4", "3"]
    assert log.read_text() == "on"


async def test_a_small_log_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("short")
    await KeepSmall(tmp_path, {}, Told())()
    assert names(tmp_path) == ["x.log"]


async def test_what_is_set_aside_is_private(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("long enough")
    await KeepSmall(tmp_path, {}, Told())()
    assert (tmp_path / "x.log.1").stat().st_mode & 0o777 == 0o600


COUNTER = """
import sys, threading, time
told = threading.Thread(target=sys.stdin.read)
told.start()
number = 0
while told.is_alive():
    print(number, flush=True)
    number += 1
    time.sleep(0.001)
"""
"""Counts until its input ends."""


async def test_while_a_process_writes_its_lines_stay_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LARGEST", 200)
    monkeypatch.setattr(logs, "KEPT", 10)
    keep_small = KeepSmall(tmp_path, {}, Told())
    log = tmp_path / "x.log"
    with log.open("ab") as output:
        counting = subprocess.Popen([sys.executable, "-c", COUNTER], stdin=subprocess.PIPE, stdout=output)  # noqa: ASYNC220
    try:
        while len(names(tmp_path)) < 6:
            await keep_small()
    finally:
        counting.communicate()
    parts = [tmp_path / f"x.log.{number}" for number in (5, 4, 3, 2, 1)]
    lines = [int(line) for line in "".join(part.read_text() for part in (*parts, log)).splitlines()]
    assert lines == sorted(set(lines))
    # In the instant of a cut one may go, and on a busy machine an instant is long.
    assert len(lines) > lines[-1] * 0.8


async def test_one_that_its_writer_opens_is_renamed_and_opened_again(tmp_path: Path, access: Writer) -> None:
    keep_small = KeepSmall(tmp_path, {"access": access.reopen}, Told())
    inode = access.log.stat().st_ino
    access.write("0123456789")
    await keep_small()
    access.write("new")
    assert (tmp_path / "access.log.1").stat().st_ino == inode
    assert (tmp_path / "access.log.1").read_text() == "0123456789"
    assert access.log.read_text() == "new"


async def test_one_whose_writer_is_away_is_opened_again_later(tmp_path: Path, access: Writer) -> None:
    keep_small = KeepSmall(tmp_path, {"access": access.reopen}, Told())
    access.away = True
    access.write("0123456789")
    await keep_small()
    access.write("more")
    await keep_small()
    assert names(tmp_path) == ["access.log.1"]
    access.away = False
    await keep_small()
    access.write("new")
    assert (tmp_path / "access.log.1").read_text() == "0123456789more"
    assert access.log.read_text() == "new"


@pytest.fixture
def barred(tmp_path: Path) -> Callable[[], None]:
    """Puts a folder where a copy would be written; the function removes it."""
    (tmp_path / ".a.log.new").mkdir()
    return (tmp_path / ".a.log.new").rmdir


async def test_one_that_cannot_be_set_aside_is_told_once_and_keeps_no_other_from_it(
    tmp_path: Path, barred: Callable[[], None]
) -> None:
    told = Told()
    keep_small = KeepSmall(tmp_path, {}, told)
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("0123456789")
    for _ in range(3):
        await keep_small()
    assert (tmp_path / "a.log").read_text() == "0123456789"
    assert (tmp_path / "b.log.1").read_text() == "0123456789"
    assert [line for line in told.lines if "a.log cannot be set aside" in line] == told.lines
    assert len(told.lines) == 1
    barred()
    await keep_small()
    assert (tmp_path / "a.log.1").read_text() == "0123456789"
