"""Real processes under test: started on free ports, waited for until ready, ended by their pid.

Usage: `process = Running.start("services.storage", {"SE_PORT": str(port), …}, ops_port=ops, log=folder / "se.log")`,
then `try: await process.ready() … finally: process.stop()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from services.standalone.ports import FIRST, LAST, Reservations

READY_TIMEOUT = 20.0
"""Seconds that a process may take to become ready: two cores are shared by many tests."""
STOP_TIMEOUT = 40.0
POLL = 0.02
LOG_TAIL = 4000
"""Characters of a process's log that a failure shows."""

_reservations = Reservations()


def free_port() -> int:
    """A port on which nobody listens, and which no other run on this machine is given while this one lives."""
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        if _reservations.claim(port):
            return port
    raise AssertionError("no free port is left")


class Running:
    """A child process of the test."""

    def __init__(self, process: subprocess.Popen[bytes], *, ops_port: int | None, log: Path) -> None:
        self._process = process
        self._ops = f"http://127.0.0.1:{ops_port}" if ops_port else ""
        self.log_file = log

    @classmethod
    def start(
        cls,
        module: str,
        environment: Mapping[str, str],
        *,
        log: Path,
        ops_port: int | None = None,
        arguments: Sequence[str] = (),
    ) -> Self:
        """Start `python -m module arguments` with nothing but `environment`; both its outputs are appended to `log`."""
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**base, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return cls(process, ops_port=ops_port, log=log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ops(self) -> str:
        """Where its ops port answers: a URL without a path."""
        return self._ops

    @property
    def log(self) -> str:
        """All that it has said."""
        return self.log_file.read_text("utf-8", "replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    async def ready(self, timeout: float = READY_TIMEOUT) -> None:  # noqa: ASYNC109 - the caller's patience
        """Return when `/health/ready` says so. Fails with the end of the log when it ends or takes too long."""
        ends = time.monotonic() + timeout
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self._ops}/health/ready")).status_code == 200:
                        return
                assert self.alive, f"it ended with status {self._process.returncode}:\n{self.log[-LOG_TAIL:]}"
                assert time.monotonic() < ends, f"not ready after {timeout} s:\n{self.log[-LOG_TAIL:]}"
                await asyncio.sleep(POLL)

    async def health(self) -> dict[str, Any]:
        """What `/health/ready` says now, ready or not."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer: dict[str, Any] = json.loads((await client.get(f"{self._ops}/health/ready")).content)
            return answer

    async def metrics(self) -> str:
        """What `/metrics` says now."""
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"{self._ops}/metrics")).text

    async def exit_status(self, timeout: float = STOP_TIMEOUT) -> int:  # noqa: ASYNC109 - the caller's patience
        """Its status once it has ended by itself. Fails when it does not."""
        return await asyncio.to_thread(self._process.wait, timeout)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would: it gets no chance to tidy up."""
        self.send(signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT)

    def stop(self) -> int:
        """End it gracefully and return its exit status; for fixtures, after any kind of end."""
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {STOP_TIMEOUT} s:\n{self.log[-LOG_TAIL:]}") from None
