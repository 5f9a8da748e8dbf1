"""A supervisor over small processes of our own."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio

from services.standalone import probes
from services.standalone.console import Console
from services.standalone.programs import Program
from services.standalone.register import Register
from services.standalone.supervisor import Supervisor
from tests.support.processes import free_port

CHILD = Path(__file__).with_name("child.py")


def fake(folder: Path, name: str, *behaviour: str, job: bool = False, **options: Any) -> Program:
    """Return a program that runs child.py."""
    port = free_port()
    return Program(
        name,
        (sys.executable, "-S", str(CHILD), name, str(port), str(folder / "journal"), *behaviour),
        {"PATH": os.defpath},
        folder,
        None if job else probes.http("/health/ready", port),
        after=frozenset(options.pop("after", ())),
        outlives=frozenset(options.pop("outlives", ())),
        ports={"ops": port},
        **options,
    )


class Recorder(Console):
    """A console that remembers its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._told = asyncio.Event()

    def line(self, text: str) -> None:
        self.lines.append(text)
        self._told.set()

    async def until(self, text: str) -> None:
        """Wait until a line with this text has been shown."""
        async with asyncio.timeout(20):
            while not any(text in line for line in self.lines):
                self._told.clear()
                await self._told.wait()


@dataclass
class Run:
    """A supervisor under test."""

    folder: Path
    console: Recorder = field(default_factory=Recorder)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    full: bool = False
    """Whether the disk is, for what clients are told after a restart."""
    supervisor: Supervisor | None = None

    def fake(self, name: str, *behaviour: str, **options: Any) -> Program:
        return fake(self.folder, name, *behaviour, **options)

    async def start(self, *programs: Program) -> Supervisor:
        """Start these. They are stopped after the test, whatever happens."""
        self.supervisor = Supervisor(
            programs,
            log=lambda name: self.folder / f"{name}.log",
            console=self.console,
            register=Register(self.folder / "processes.json"),
            restarted=self._restarted,
        )
        await self.supervisor.start()
        return self.supervisor

    async def _restarted(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.restarts += 1

    def fill_disk(self) -> None:
        """From now on nothing can be noted down: something else stands where it belongs."""
        self.full = True
        (self.folder / "processes.json").unlink()
        (self.folder / "processes.json").mkdir()

    def free_disk(self) -> None:
        """There is room again."""
        self.full = False
        (self.folder / "processes.json").rmdir()

    @property
    def register(self) -> Register:
        return Register.load(self.folder / "processes.json")

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that only the processes know."""
        async with asyncio.timeout(20):
            while not happened():  # noqa: ASYNC110 - they are other processes
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    made = Run(tmp_path)
    yield made
    if made.supervisor:
        made.hurry.set()
        await made.supervisor.stop(made.hurry)
