"""The ops port of every process: /health/live, /health/ready, /metrics. Plain HTTP, never public."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.chassis.http import Receive, Scope, Send

Check = Callable[[], Awaitable[object]]
"""Returns if the thing is well; raises, with a reason for the operator, if it is not."""

CHECK_TIMEOUT = 3.0
"""Seconds after which a check that has not answered has failed."""

VERSION = version("artstore")


class Ops:
    """An ASGI application. Readiness is the sum of its checks; `stopping` makes it fail at once.

    A process that fails is given no requests. So it fails for what it needs for everything that it does, and is
    "degraded" for what it needs for some of it, or can explain the lack of better than a balancer would.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._checks: dict[str, Check] = {}
        self._critical: set[str] = set()
        self.needs_one = False
        """Whether it fails when every check fails, critical or not."""
        self.started = False
        """Set once the process serves; until then it is not ready."""
        self.stopping = False

    def add_check(self, name: str, check: Check, *, critical: bool = True) -> None:
        """`critical`: without it the process is not ready; else it is only degraded."""
        self._checks[name] = check
        if critical:
            self._critical.add(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", "text/plain")
        elif path == "/health/live":
            await _json(send, 200, self.live())
        elif path == "/health/ready":
            ready = await self.ready()
            await _json(send, 503 if ready["status"] == "fail" else 200, ready)
        elif path == "/metrics":
            await _answer(send, 200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
        else:
            await _answer(send, 404, b"not found\n", "text/plain")

    def live(self) -> dict[str, object]:
        """What `/health/live` says."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"status": "ok", "timestamp": now, "version": VERSION, "service": self._service}

    async def ready(self) -> dict[str, object]:
        """What `/health/ready` says: {"status", "checks": {name: {"status", "latency_ms"}}}."""
        names = list(self._checks)
        results = dict(zip(names, await asyncio.gather(*(_run(self._checks[n]) for n in names)), strict=True))
        away = {name for name, result in results.items() if result["status"] != "ok"}
        serving = self.started and not self.stopping
        results["process"] = {"status": "ok" if serving else "fail"}
        if not serving:
            results["process"]["reason"] = "stopping" if self.stopping else "starting"
        failed = (
            not serving or bool(away & self._critical) or (self.needs_one and bool(names) and len(away) == len(names))
        )
        return {"status": "fail" if failed else "degraded" if away else "ok", "checks": results}


async def _run(check: Check) -> dict[str, object]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await check()
        status: dict[str, object] = {"status": "ok"}
    except TimeoutError:
        status = {"status": "fail", "reason": f"no answer within {CHECK_TIMEOUT:g} s"}
    except Exception as error:  # noqa: BLE001 - a check may fail in any way; all of them mean "not ready"
        status = {"status": "fail", "reason": str(error) or type(error).__name__}
    return {**status, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}


async def _json(send: Send, status: int, body: object) -> None:
    await _answer(send, status, json.dumps(body).encode(), "application/json")


async def _answer(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
