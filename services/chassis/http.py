"""An HTTP server inside a running loop (uvicorn), without its own ideas about signals and logs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import timedelta
from typing import Any, cast

import uvicorn

from services.chassis.http_connection import connections

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3.0."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than Envoy keeps it (60 s), so that it never meets a closed one."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the process's, see lifespan.py


class HttpServer:
    """Serves one ASGI application until it is drained."""

    def __init__(
        self,
        app: AsgiApp,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        callers: frozenset[str] | None = None,
    ) -> None:
        """`callers`: the modules whose certificate may connect, where `tls` asks for one; None: all of ours."""
        self._host, self._port = host, port
        factory = (lambda _config, _default: tls) if tls is not None else None
        self._config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", connections(callers)),  # uvicorn only calls it
            ws="none",
            lifespan="off",
            ssl_context_factory=factory,
            timeout_keep_alive=KEEP_ALIVE,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            log_level="warning",
        )
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and serve in a task. Raises `SystemExit` if the port is taken."""
        listening = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self._port))
        except OSError as error:
            listening.close()
            raise SystemExit(f"Cannot listen on {self._host}:{self._port}: {error.strerror}") from None
        listening.listen(2048)
        listening.setblocking(False)
        self._task = asyncio.create_task(self._server.serve([listening]), name=f"http {self._port}")

    async def drain(self, grace: timedelta, *, delay: timedelta = timedelta(0)) -> None:
        """After `delay` take no new connections, let requests in flight end within `grace`, then cut them off."""
        if self._task is None:
            return
        await asyncio.sleep(delay.total_seconds())
        self._config.timeout_graceful_shutdown = max(1, int(grace.total_seconds()))
        self._server.should_exit = True
        await self._task
