"""One running process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from services.standalone import files, identity
from services.standalone.errors import StartError
from services.standalone.programs import Program

PROBE_INTERVAL = 0.1
"""Seconds between two questions whether a process is ready."""

_LAUNCHER = Path(__file__).with_name("launcher.py")


class Child:
    """A process of a program, from its start to its end."""

    def __init__(self, program: Program, log: Path, process: asyncio.subprocess.Process, log_begins: int) -> None:
        self.program = program
        self.log = log
        self.since = time.time()
        self.identity = identity.of(process.pid) or identity.Identity(process.pid, "")
        self._began = time.monotonic()
        self._process = process
        self._log_begins = log_begins

    @classmethod
    async def spawn(cls, program: Program, log: Path) -> Child:
        """Start it. Its output goes to the log; it is in a session of its own, so that Ctrl-C does not reach it."""
        await program.before_start()
        account = program.account
        with log.open("ab") as output:
            log_begins = output.tell()
            # The log is private: an account that is changed to writes through the open file.
            os.fchmod(output.fileno(), files.PRIVATE)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(program.stop_signal))),
                *((str(account.uid), str(account.gid)) if account else ("-", "-")),
                *program.command,
                env=program.environment,
                cwd=program.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(program, log, process, log_begins)

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.returncode is not None

    def said(self) -> str:
        """Return the end of what it wrote."""
        return files.tail(self.log, after=self._log_begins)

    def terminate(self) -> None:
        """Ask it to stop, and go on at once."""
        self._signal(self.program.stop_signal)

    async def wait(self) -> int:
        """Wait for its end; return its exit status, or the negative number of the signal that ended it."""
        return await self._process.wait()

    async def until_ready(self, patience: float | None = None) -> None:
        """Wait until it is ready; for a job, until it is done. Raises `StartError` if it ends, or is not in time.

        `patience` is in seconds; without it the program's own holds.
        """
        ending = asyncio.ensure_future(self.wait())
        probing = asyncio.ensure_future(self._probe(patience or self.program.start_patience))
        try:
            await asyncio.wait({ending, probing}, return_when=asyncio.FIRST_COMPLETED)
            if probing.done():
                return probing.result()
            status = ending.result()
        finally:
            ending.cancel()
            probing.cancel()
        if self.program.ready is None and status == 0:
            return None
        raise StartError(f"{self.program.name} {how_it_ended(status)}. Its log: {self.log}", self.said())

    async def _probe(self, patience: float) -> None:
        why: str | None = "it is still at work"
        while self.age < patience:
            if self.program.ready is not None:
                why = await self.program.ready()
                if why is None:
                    return
            await asyncio.sleep(PROBE_INTERVAL)
        raise StartError(
            f"{self.program.name} was not ready within {patience:g} s: {why}. Its log: {self.log}", self.said()
        )

    async def stop(self, hurry: asyncio.Event) -> bool:
        """Ask it to stop, and make it if it does not; return whether it had to be made."""
        if self.ended:
            return False
        await _unless(hurry, self.program.before_stop())
        self._signal(self.program.stop_signal)
        if await self._ended_within(self.program.stop_patience, hurry) or await self._ended_within(2.0):
            return False
        for last in (self.program.last_signal, signal.SIGKILL):
            self._signal(last)
            if await self._ended_within(10.0):
                break
        return True

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            self._process.send_signal(number)

    async def _ended_within(self, seconds: float, hurry: asyncio.Event | None = None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await (_unless(hurry, self.wait()) if hurry else self.wait())
        except TimeoutError:
            return False
        return self.ended


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    """Await `work`, but no longer than until the event."""
    tasks: set[asyncio.Task[object]] = {asyncio.create_task(work), asyncio.create_task(event.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def how_it_ended(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
