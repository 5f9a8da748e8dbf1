"""One run, from its lock to its last process."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import Coroutine, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from services.chassis.loops import Loop
from services.standalone import build, descriptor, envoy, leftovers, lock, logs, ports, sockets
from services.standalone.config import Settings
from services.standalone.console import Console
from services.standalone.credentials import read
from services.standalone.errors import StandaloneError, StartError
from services.standalone.home import Home
from services.standalone.plan import ELEMENTS, Plan
from services.standalone.register import Register
from services.standalone.registration import Registrar, SecretRefusedError
from services.standalone.supervisor import Supervisor

OPEN_FILES = 65536
"""Wished for, for Envoy and the elements; less is taken where the system's limit is lower."""


def up(settings: Settings, home: Home, console: Console, environment: Mapping[str, str]) -> int:
    """Start everything, stay until told to stop, stop everything; return the exit status."""
    reservations = ports.Reservations()
    try:
        with lock.held(home.lock):
            console.line(f"ArtStore in {home.root}")
            leftovers.clean(home, console)
            _raise_open_files()
            with _short_sockets(home) as (folder, register):
                plan = build.plan(settings, home, console, folder, reservations, environment)
                return asyncio.run(_Run(plan, console, register)())
    except StandaloneError as error:
        console.error(f"\nArtStore did not start: {error}")
        if isinstance(error, StartError) and error.log:
            console.error("\n".join(f"  | {line}" for line in error.log.splitlines()))
        return 1
    finally:
        reservations.release()


class _Run:
    """The part of a run with an event loop."""

    def __init__(self, plan: Plan, console: Console, register: Register) -> None:
        self._plan = plan
        self._console = console
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ready = False
        self._secret_known = True
        self._supervisor = Supervisor(
            plan.programs(), log=plan.home.log, console=console, register=register, restarted=self._describe
        )
        self._keep_logs_small = logs.KeepSmall(
            plan.home.logs, {"envoy-access": partial(envoy.reopen_logs, plan.envoy_admin)}, console.step
        )

    async def __call__(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        looking_after = asyncio.create_task(
            Loop("look after", timedelta(seconds=logs.INTERVAL), self._look_after).run()
        )
        try:
            if await self._unless_stopped(self._start()):
                self._announce()
                await self._stop.wait()
        finally:
            looking_after.cancel()
            try:
                self._plan.home.descriptor.unlink(missing_ok=True)
            finally:
                await self._supervisor.stop(self._hurry)
        self._console.line("ArtStore has stopped")
        return 0

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._console.line("stopping at once")
            self._hurry.set()
            return
        self._console.line("stopping (again: at once)")
        self._stop.set()

    async def _look_after(self) -> None:
        await self._keep_logs_small()
        await self._supervisor.catch_up()

    async def _start(self) -> None:
        await self._supervisor.start()
        self._console.step("elements", await asyncio.to_thread(self._register))
        self._ready = True
        await self._describe()

    def _register(self) -> str:
        """Have Admin know the elements; return what to tell of it."""
        plan = self._plan
        endpoints = {storage_id: plan.address(storage_id) for storage_id in ELEMENTS}
        secret = read(plan.credentials.client_secret)
        registrar = Registrar(plan.settings.base_url, plan.home.ca, read(plan.credentials.client_id), secret)
        try:
            registrar.sign_in()
        except SecretRefusedError:
            self._secret_known = False
            where = ", ".join(f"{storage_id} at {endpoint}" for storage_id, endpoint in endpoints.items())
            return f"not registered anew ({where}). {descriptor.rotated(plan)}"
        registered = registrar.register(endpoints)
        if absent := registrar.wait_until_online(endpoints):
            raise StandaloneError(f"Admin does not see {', '.join(absent)}. Its log: {plan.home.log('admin')}")
        return f"registered {', '.join(registered)}; all online" if registered else "known and online"

    async def _describe(self) -> None:
        """Tell clients where everything is; again whenever a process has another id."""
        if self._ready:
            descriptor.write(self._plan, self._supervisor.children, secret_known=self._secret_known)

    def _announce(self) -> None:
        home = self._plan.home
        self._console.line(
            f"\nArtStore is ready after {self._console.elapsed:.1f} s at {self._plan.settings.base_url}\n"
            f"  credentials     {home.descriptor}  (client_id and client_secret; only for your eyes)\n"
            f"  CA certificate  {home.ca}  (curl --cacert)\n"
            f"  documents       {home.root / 'elements'}\n"
            f"  logs            {home.logs}\n"
            "  stop            make down, or Ctrl-C where it runs\n"
        )
        self._console.settle()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work, or leave it when told to stop; return whether it is done."""
        working, stopping = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return True
            return False
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)


@contextlib.contextmanager
def _short_sockets(home: Home) -> Iterator[tuple[Path, Register]]:
    """Have a short path to the folder of sockets, and a register that knows of it."""
    folder, made = sockets.short_folder(home.run)
    register = Register(home.register)
    register.links = [str(made)] if made else []
    try:
        register.save()
        yield folder, register
    finally:
        if made:
            sockets.drop(made)
        (home.run / "envoy-admin.sock").unlink(missing_ok=True)
        register.remove_unless_needed()


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wished:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
