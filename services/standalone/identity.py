"""Which process is which: a process id is used again by the system, its start time with it is not."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Identity:
    """One process, told apart from a later one with the same id."""

    pid: int
    started: str
    """When it started, as the system counts: compared, never read."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (one that ended and was not yet collected does not)."""
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this process and to no later one; return whether it was there."""
        try:
            if not hasattr(os, "pidfd_open"):
                return self._send_by_id(number)
            # From here on the descriptor stands for whoever has the id now, so `alive` is not asked too early.
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _send_by_id(self, number: signal.Signals) -> bool:
        if not self.alive:
            return False
        os.kill(self.pid, number)
        return True

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"pid": self.pid, "started": self.started}

    @staticmethod
    def from_json(value: object) -> Identity | None:
        """Return the identity, or None if `value` is none."""
        match value:
            case {"pid": int(pid), "started": str(started)} if pid > 1:
                return Identity(pid, started)
        return None


def of(pid: int) -> Identity | None:
    """Return the identity of a running process."""
    started = _started(pid)
    return Identity(pid, started) if started else None


def with_working_directory(folder: Path) -> list[Identity]:
    """Return the processes that stand in `folder`. PostgreSQL's all stand in their data folder, orphaned ones too."""
    return [identity for pid in psutil.pids() if stands_in(pid, folder) and (identity := of(pid))]


def stands_in(pid: int, folder: Path) -> bool:
    """Whether `folder` is the working directory of a process. No for one that has gone, or is somebody else's."""
    try:
        return psutil.Process(pid).cwd() == str(folder.resolve())
    except (psutil.Error, OSError):
        return False


def _started(pid: int) -> str:
    try:
        if not Path("/proc/self/stat").exists():
            process = psutil.Process(pid)
            return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
        # After the name in parentheses, which may hold anything: state is the 1st field, start time the 20th.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (psutil.Error, OSError):
        return ""
    return "" if fields[0] in {b"Z", b"X"} else f"{_boot()}:{int(fields[19])}"


@cache
def _boot() -> str:
    """Return what tells this boot from others: start times count from it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(psutil.boot_time())
