"""`make` is a thin front: it hands over to the program, installs only what changed, and explains what is missing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

INPUTS = ("pyproject.toml", "requirements.txt", "requirements-dev.txt")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which everything is installed, its Python being a script that says how it was called."""
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    for name in INPUTS:
        (tmp_path / name).touch()
    script(tmp_path / ".venv/bin/python", 'echo "$@"')
    for stamp in (".installed", ".installed-dev"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def script(path: Path, line: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the clone with a bare environment."""
    return subprocess.run(["make", *arguments], cwd=clone, env=bare(), check=False, capture_output=True, text=True)


def bare() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["up"], "-m services.standalone up"),
        (["up", "DETACH=1"], "-m services.standalone up --detach"),
        (["down"], "-m services.standalone down"),
        (["status"], "-m services.standalone status"),
        (["reset"], "-m services.standalone reset"),
        (["reset", "YES=1"], "-m services.standalone reset --yes"),
        (["test"], "-m nox"),
    ],
)
def test_targets_hand_over_to_the_program(clone: Path, arguments: list[str], called: str) -> None:
    assert make(clone, *arguments).stdout == f"{called}\n"


def test_the_exit_status_of_the_program_is_seen(clone: Path) -> None:
    script(clone / ".venv/bin/python", "exit 3")
    (clone / ".venv/.installed").touch()
    assert make(clone, "up").returncode != 0


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements.txt"])
def test_it_installs_again_only_when_what_it_installs_has_changed(clone: Path, changed: str) -> None:
    later = (clone / ".venv/.installed").stat().st_mtime + 10
    os.utime(clone / changed, (later, later))
    said = make(clone, "status").stdout
    assert "installing ArtStore" in said
    assert "pip --disable-pip-version-check --no-input -qq install --require-hashes" in said


def test_a_python_that_is_too_old_is_named(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".venv")
    script(tmp_path / "python3.9", "exit 1")
    done = make(clone, "up", f"PYTHON={tmp_path / 'python3.9'}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_python_that_cannot_make_environments_is_explained(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".venv")
    script(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = make(clone, "up", f"PYTHON={tmp_path / 'python3'}")
    assert done.returncode != 0
    assert "python3-venv" in done.stderr


WAITS_FOR_A_SIGNAL = """
import signal
from pathlib import Path

expected = [signal.SIGINT, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, expected)
print("running", flush=True)
signal.sigwait(expected)
print("stopping", flush=True)
Path({pipe!r}).read_text()
print("stopped", flush=True)
raise SystemExit(3 if set(expected) & signal.sigpending() else 0)
"""
"""No shell: one whose signal comes just before it begins to read never runs its trap."""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_program_once_and_make_adds_no_error(clone: Path, sent: signal.Signals) -> None:
    pipe = clone / "pipe"
    os.mkfifo(pipe)
    program = clone / ".venv/bin/python"
    program.write_text(f"#!{sys.executable}\n{WAITS_FOR_A_SIGNAL.format(pipe=str(pipe))}")
    program.chmod(0o755)
    (clone / ".venv/.installed").touch()
    with subprocess.Popen(
        ["make", "up"],
        cwd=clone,
        env=bare(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # As in a terminal: tests that run in the background ignore SIGINT, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads run here
    ) as started:
        assert started.stdout is not None
        try:
            assert started.stdout.readline() == "running\n"
            if sent is signal.SIGINT:
                os.killpg(started.pid, sent)  # as a terminal does: to make and to the program
            else:
                started.send_signal(sent)  # as a service manager does: to make, which passes it on
            assert started.stdout.readline() == "stopping\n"
            while is_pending(sent, started.pid):  # make would complain of a child that ended before it saw the signal
                os.sched_yield()
            pipe.write_text("\n")
            assert started.communicate(timeout=20) == ("stopped\n", "")
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)


def is_pending(sent: signal.Signals, pid: int) -> bool:
    """Whether a signal was sent to the process but has not been delivered yet (proc(5), ShdPnd)."""
    masks = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "Pnd" in line)
    return bool(int(masks["ShdPnd"], 16) >> (sent - 1) & 1)
