"""Each request as a span: the root of its trace, unless the caller sent a `traceparent` (W3C Trace Context)."""

from __future__ import annotations

from gateway.http.measured import UNKNOWN
from services.chassis import request_id, telemetry
from services.chassis.http import AsgiApp, Message, Receive, Scope, Send


class Traced:
    """Wraps the whole application, only where traces are on."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

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

        method = scope["method"]
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        span = telemetry.serving(method, carrier, {"http.request.method": method})
        try:
            await self._app(scope, receive, watched)
        finally:
            # The route, never the address: it may hold what is nobody's business.
            route = scope.get("path_template") or UNKNOWN
            known = {"http.route": route, "http.response.status_code": status, "request_id": request_id.current()}
            span.end(str(status), failed=status == 0 or status >= 500, name=f"{method} {route}", **known)
