"""How the gateway is, and with it what stands behind it. Public, so it names services and nothing of their inside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers
from gateway.http.resource import Resource

Check = Callable[[], Awaitable[object]]
"""Returns if the service answers; raises if it does not."""
Live = Callable[[], dict[str, object]]

TIMEOUT = 3.0
"""Seconds for a service to answer."""


class Health(Resource):
    """`/health/live` and `/health/ready`."""

    def __init__(self, live: Live, services: Mapping[str, Check], *, stopping: Callable[[], bool]) -> None:
        """`live`: what the process says of itself; `services`: those behind the edge."""
        self._live = live
        self._services = services
        self._stopping = stopping

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [get("/health/live")(self.live), get("/health/ready")(self.ready)]

    async def live(self) -> Response[bytes]:
        """The process runs."""
        return answers.json(self._live())

    async def ready(self) -> Response[bytes]:
        """`degraded` while something is away but not everything: the rest still serves."""
        checks = dict(zip(self._services, await asyncio.gather(*map(_run, self._services.values())), strict=True))
        away = [name for name, check in checks.items() if check["status"] != "ok"]
        failed = self._stopping() or len(away) == len(checks)
        status = "fail" if failed else "degraded" if away else "ok"
        return answers.json({"status": status, "checks": checks}, status=503 if failed else 200, headers=_retry(failed))


def _retry(failed: bool) -> dict[str, str]:
    return {"retry-after": "2"} if failed else {}


async def _run(check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT):
            await check()
    except Exception:  # noqa: BLE001 - whatever it is, the service does not answer; why is for its own health to say
        return {"status": "fail", "latency_ms": _since(started)}
    return {"status": "ok", "latency_ms": _since(started)}


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
