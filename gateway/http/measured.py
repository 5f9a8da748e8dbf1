"""How many requests, how they ended and how long they took, by route: never by address, of which there are too many."""

from __future__ import annotations

import time

from services.chassis.http import AsgiApp, Message, Receive, Scope, Send
from services.chassis.metrics import HttpMetrics

UNKNOWN = "unknown"
"""The route of requests for which there is none."""


class Measured:
    """Wraps the whole application."""

    def __init__(self, app: AsgiApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, watched)
        finally:
            self._metrics.in_flight.dec()
            method, route = scope["method"], scope.get("path_template") or UNKNOWN
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.duration.labels(method, route).observe(time.perf_counter() - started)
