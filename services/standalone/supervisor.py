"""Starts all programs in order, keeps them running, stops them in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import math
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from services.standalone.console import Console
from services.standalone.errors import StandaloneError, StartError
from services.standalone.processes import Child, how_it_ended
from services.standalone.programs import Program
from services.standalone.register import Entry, Register, State

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before a process that died is started again: doubled each time,"""
SETTLED = 60.0
"""and back to the first once one has lived this long."""


class Supervisor:
    """The processes of one run."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        log: Callable[[str], Path],
        console: Console,
        register: Register,
        restarted: Callable[[], Awaitable[None]],
    ) -> None:
        """`restarted` is called whenever a process has another id than before."""
        self._programs = {program.name: program for program in programs}
        self._log = log
        self._console = console
        self._register = register
        self._restarted = restarted
        self._ready = {program.name: asyncio.Event() for program in programs}
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._behind = False
        """Whether what is told of the run on disk is older than the run, because it could not be written."""

    @property
    def children(self) -> Mapping[str, Child]:
        """The processes by name, as they are now; jobs that are done are not among them."""
        return {name: child for name, child in self._children.items() if child.program.ready is not None}

    async def start(self) -> None:
        """Start everything, each as soon as those that it needs are ready. Raises the first `StandaloneError`."""
        try:
            async with asyncio.TaskGroup() as group:
                for program in self._programs.values():
                    group.create_task(self._bring_up(program))
        except BaseExceptionGroup as several:  # not `except*`, whose errors are a group again in some versions
            expected, others = several.split(StandaloneError)
            if expected is None or others is not None:
                raise
            first: BaseException = expected
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def _bring_up(self, program: Program) -> None:
        for name in program.after:
            await self._ready[name].wait()
        child = await self._spawn(program)
        await child.until_ready()
        await program.prepare()
        if program.ready is None:
            self._register.entries.pop(program.name)
            self._save()
            self._console.step(program.name, f"done ({child.age:.1f} s)")
        else:
            self._mark(program.name, "ready")
            self._console.step(program.name, f"ready ({child.age:.1f} s){_listening(program)}")
            self._keepers.append(asyncio.create_task(self._keep(program)))
        self._ready[program.name].set()

    async def _spawn(self, program: Program) -> Child:
        child = await Child.spawn(program, self._log(program.name))
        self._children[program.name] = child
        before = self._register.entries.get(program.name)
        self._register.entries[program.name] = Entry(
            "starting",
            child.identity,
            child.since,
            restarts=before.restarts + 1 if before else 0,
            ports=dict(program.ports),
        )
        self._save()
        return child

    async def _keep(self, program: Program) -> None:
        """Start it again whenever it ends, until cancelled: whatever goes wrong meanwhile is told, and tried again."""
        delay, last = FIRST_DELAY, None
        while True:
            child = self._children[program.name]
            how = how_it_ended(await child.wait())
            # Only its own life counts, not the time in which no other one could be started.
            delay = FIRST_DELAY if child is not last and child.age > SETTLED else delay
            last = child
            self._mark(program.name, "restarting")
            self._console.step(program.name, f"{how}; starting it again in {delay:g} s (log: {child.log})")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)
            try:
                await self._start_again(program)
            except StartError as error:
                self._console.step(program.name, str(error))
            except (StandaloneError, OSError) as error:
                self._console.step(program.name, f"could not be started: {error}")
            except Exception:  # noqa: BLE001 - a mistake of ours must not leave a process without its keeper
                self._console.step(program.name, f"could not be started:\n{traceback.format_exc()}")

    async def _start_again(self, program: Program) -> None:
        child = await self._spawn(program)
        with self._put_off():
            await self._restarted()
        # However long it takes: nothing is won by ending it.
        await child.until_ready(patience=math.inf)
        self._mark(program.name, "ready")
        self._console.step(program.name, f"ready again, process {child.identity.pid} ({child.age:.1f} s)")

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop everything, each once those that rely on it have ended. `hurry` cuts all patience short."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        ended = {name: asyncio.Event() for name in self._programs}
        # One that cannot be stopped must not leave the others to their sudden end with ours.
        outcomes = await asyncio.gather(
            *(self._take_down(program, ended, hurry) for program in self._programs.values()), return_exceptions=True
        )
        for name, outcome in zip(self._programs, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._console.step(name, f"could not be stopped: {outcome!r}")
        with self._put_off():
            self._register.remove_unless_needed()

    async def _take_down(self, program: Program, ended: Mapping[str, asyncio.Event], hurry: asyncio.Event) -> None:
        relying = {name for name, other in self._programs.items() if program.name in other.after}
        for name in relying | program.outlives:
            await ended[name].wait()
        child = self._children.get(program.name)
        try:
            if child and not child.ended:
                self._mark(program.name, "stopping")
                with self._console.timed(program.name, "stopped"):
                    forced = await child.stop(hurry)
                if forced:
                    self._console.step(program.name, "had to be ended: it did not stop by itself")
                self._mark(program.name, "stopped")
        finally:
            ended[program.name].set()

    def _mark(self, name: str, state: State) -> None:
        self._register.entries[name].state = state
        self._save()

    def _save(self) -> None:
        with self._put_off():
            self._register.save()

    @contextlib.contextmanager
    def _put_off(self) -> Iterator[None]:
        """What cannot be written now (the disk is full) is left to `catch_up`: processes matter more."""
        try:
            yield
        except OSError as error:
            if not self._behind:
                self._console.step("home", f"what runs could not be noted down, to be done later: {error}")
            self._behind = True

    async def catch_up(self) -> None:
        """Write what could not be written: one try, to be repeated."""
        if not self._behind:
            return
        with self._put_off():
            self._register.save()
            await self._restarted()
            self._behind = False
            self._console.step("home", "what runs is noted down again")


def _listening(program: Program) -> str:
    return "".join(f"  {purpose} {port}" for purpose, port in program.ports.items())
