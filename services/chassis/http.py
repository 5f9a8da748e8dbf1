"""An HTTP server inside a running loop (uvicorn), without its own ideas about signals and logs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import timedelta
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.chassis.caller import module_of
from services.chassis.logs import get_logger

log = get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3.0."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than Envoy keeps it (60 s), so that it never meets a closed one."""

WRITE_BUFFER = 128 << 10
"""Bytes that wait for a client that does not read before our side is told to wait; with TLS it would be four times as
many."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the process's, see lifespan.py


def _protocol(callers: frozenset[str] | None) -> type[HttpToolsProtocol]:
    """The protocol of connections; one whose caller has no certificate of these modules is cut off."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            transport.set_write_buffer_limits(high=WRITE_BUFFER)
            super().connection_made(transport)
            if callers is None:
                return
            certificate: Any = transport.get_extra_info("peercert") or {}
            names = [value.encode() for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
            module, _ = module_of(names) or (None, None)
            if module not in callers:
                log.warning("a caller was turned away", module=module)
                transport.abort()

    return Protocol


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
            http=_protocol(callers),
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
