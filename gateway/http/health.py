"""How the gateway is, and with it what stands behind it. Public, so it names services and nothing of their inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers
from gateway.http.resource import Resource

Live = Callable[[], dict[str, object]]
Ready = Callable[[], Awaitable[dict[str, Any]]]

SHOWN = ("status", "latency_ms")
"""What the world may know of a check; the reason is for the ops port."""


class Health(Resource):
    """`/health/live` and `/health/ready`."""

    def __init__(self, live: Live, ready: Ready) -> None:
        """What the process says of itself, and of what it depends on."""
        self._live = live
        self._ready = ready

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [get("/health/live")(self.live), get("/health/ready")(self.ready)]

    async def live(self) -> Response[bytes]:
        """The process runs."""
        return answers.json(self._live())

    async def ready(self) -> Response[bytes]:
        """`degraded` while something is away but not everything: the rest still serves."""
        ready = await self._ready()
        checks = {
            name: {key: check[key] for key in SHOWN if key in check}
            for name, check in ready["checks"].items()
            if name != "process"
        }
        failed = ready["status"] == "fail"
        headers = {"retry-after": "2"} if failed else {}
        body = {"status": ready["status"], "checks": checks}
        return answers.json(body, status=503 if failed else 200, headers=headers)
