"""The life of a process: logs, ops port, signals, what it holds open, background work, and the way down.

On SIGTERM or SIGINT: not ready → wait until balancers have seen it → take no more calls → let those in flight end →
stop background work → close what was opened, in reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import uvloop
from pydantic_settings import BaseSettings

from services.chassis import describe, lag, logs, memory, telemetry
from services.chassis.dependencies import Dependencies, DependencyType
from services.chassis.http import HttpServer
from services.chassis.metrics import PREFIXES, ProcessMetrics
from services.chassis.ops import VERSION, Check, Ops
from services.chassis.settings import ProcessSettings, TelemetrySettings, load

Entered = TypeVar("Entered")
SettingsT = TypeVar("SettingsT", bound=ProcessSettings)

log = logs.get_logger(__name__)


class Drains(Protocol):
    """A server that can be ended gracefully."""

    async def drain(self, grace: timedelta, *, delay: timedelta) -> None:
        """Serve on for `delay`, then take nothing new, let what is in flight end within `grace`, cut off the rest."""
        ...


def _keep_what_stays() -> None:
    """Have the garbage collection pass over what is there at the start: modules, classes, parts, for ever.

    It would look through all of it whenever many objects have come, for which a page of a listing is enough: of Admin's
    work in a full sync that was a tenth.
    """
    gc.collect()
    gc.freeze()


class Process:
    """Enter it, build the parts, then `await process.serve(server)`."""

    def __init__(self, service: str, settings: ProcessSettings, *, instance: str = "") -> None:
        """`instance`: what tells this process from others of the service in traces."""
        self._settings = settings
        self._service = service
        self._instance = {"service.version": VERSION, **({"service.instance.id": instance} if instance else {})}
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._end: SystemExit | None = None
        self.ops = Ops(service)
        self._metrics = ProcessMetrics(PREFIXES[service])
        self._dependencies = Dependencies(service, settings.dephealth_check_interval)
        self._ops_server = HttpServer(self.ops, host=settings.host, port=settings.ops_port)

    async def __aenter__(self) -> Self:
        logs.configure(self._service, level=self._settings.log_level, style=self._settings.log_format)
        telemetry.start(self._service, load(TelemetrySettings), **self._instance)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._ops_server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, SystemExit | asyncio.CancelledError):
            log.error("the process ends with an error", exc_info=error)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        await self._ops_server.drain(timedelta(seconds=1))
        await asyncio.to_thread(telemetry.stop)

    async def enter(self, resource: AbstractAsyncContextManager[Entered]) -> Entered:
        """Open `resource` now; it is closed when the process ends."""
        return await self._stack.enter_async_context(resource)

    def closing(self, close: Callable[[], Awaitable[object]]) -> None:
        """Call `close` when the process ends."""
        self._stack.push_async_callback(close)

    def check(self, name: str, check: Check) -> None:
        """Make `check` part of the process's readiness: it is not ready while this raises."""
        self.ops.add_check(name, check)

    def depends(self, name: str, kind: DependencyType, address: str, check: Check, *, critical: bool) -> None:
        """The same for something outside of the process, at "host:port"; its state is a metric, too.

        Not critical: while this raises the process is ready, but degraded.
        """
        self.ops.add_check(name, check, critical=critical)
        self._dependencies.add(name, kind, address, check, critical=critical)

    def observes(self, name: str, kind: DependencyType, address: str, check: Check) -> None:
        """A metric alone: for something without which the process is as ready as with it."""
        self._dependencies.add(name, kind, address, check, critical=False)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until the process ends. If it ends by itself with an error, so does the process."""
        task = asyncio.create_task(self._stopping_on_exit(work))
        task.add_done_callback(self._background_ended)
        self._tasks.append(task)

    async def serve(self, server: Drains) -> None:
        """Call the process ready; return after a signal and a drain of `server`, which has been started."""
        await self.enter(self._dependencies)
        self.background(lag.measure(self._metrics.lag))
        self._metrics.build.labels(VERSION).set(1)
        _keep_what_stays()
        self.ops.started = True
        self._metrics.ready.set(1)
        log.info("ready")
        await self._stop.wait()
        self.ops.stopping = True
        self._metrics.ready.set(0)
        log.info("stopping: requests in flight may end", timeout=str(self._settings.shutdown_timeout))
        with contextlib.suppress(asyncio.CancelledError):
            await server.drain(self._settings.shutdown_timeout, delay=self._settings.shutdown_delay)
        log.info("stopped")
        if self._end is not None:
            raise self._end  # whoever watches this process shall see that it did not end because it was asked to

    async def _stopping_on_exit(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`. A `SystemExit` in it ends the process in order; out of a task it would tear the loop down."""
        try:
            await work
        except SystemExit as end:
            self._end = end
            self._stop.set()

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work ended; the process stops", exc_info=error)
            self._end = SystemExit(1)
            self._stop.set()


def main(serve: Callable[[SettingsT], Coroutine[Any, Any, None]], settings: type[SettingsT], usage: str) -> None:
    """The command line of a process that can only serve.

    Raises `SystemExit` with status 2 for wrong arguments or settings.
    """
    match sys.argv[1:]:
        case [] | ["serve"]:
            run(serve, load(settings))
        case ["--describe"]:
            show_settings(settings)
        case _:
            sys.stderr.write(f"{usage}\n")
            sys.exit(2)


def show_settings(*classes: type[BaseSettings]) -> None:
    """Print what the process may be told, with what every process may be told."""
    sys.stdout.write(describe.text(describe.rows(*classes, TelemetrySettings)))


def run(serve: Callable[[SettingsT], Coroutine[Any, Any, None]], settings: SettingsT) -> None:
    """Run `serve(settings)` to its end on the loop that every process uses."""
    memory.keep()
    uvloop.run(serve(settings))
