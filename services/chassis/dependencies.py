"""How the things are that this process depends on: asked now and then, shown as metrics that dashboards know.

`dephealth` keeps the metrics (`app_dependency_*`). Its own checkers know neither our client certificates nor our pools:
it is given ours, which ask through what the process uses anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from dephealth import CheckConfig, CheckError, Dependency, DependencyType, Endpoint
from dephealth.metrics import MetricsExporter
from dephealth.scheduler import CheckScheduler
from prometheus_client import REGISTRY, CollectorRegistry

GROUP = "artstore"
TIMEOUT = timedelta(seconds=3)
"""For the answer; less where the questions come sooner."""

__all__ = ["Dependencies", "DependencyType", "place_of"]

Check = Callable[[], Awaitable[object]]


class Dependencies:
    """Enter it once all are added; they are asked until it is left."""

    def __init__(self, service: str, interval: timedelta, registry: CollectorRegistry = REGISTRY) -> None:
        """`interval`: between two questions, from 2 s to 5 min."""
        self._interval = interval
        metrics = MetricsExporter(f"artstore-{service}", GROUP, registry=registry)
        logging.getLogger("dephealth").setLevel(logging.WARNING)  # what it says at "info" is not worth a line
        self._scheduler = CheckScheduler(metrics, log=logging.getLogger("dephealth"))

    def add(self, name: str, kind: DependencyType, address: str, check: Check, *, critical: bool) -> None:
        """`check` returns if the thing at `address` ("host:port") is well, and raises if it is not."""
        host, _, port = address.rpartition(":")
        timeout = min(TIMEOUT, self._interval / 2)
        config = CheckConfig(self._interval.total_seconds(), timeout.total_seconds(), initial_delay=0)
        endpoint = Endpoint(host.strip("[]"), port)
        dependency = Dependency(name, kind, critical, [endpoint], config)
        dependency.validate()
        self._scheduler.add(dependency, _Checker(kind, check))

    async def __aenter__(self) -> Self:
        await self._scheduler.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._scheduler.stop()


class _Checker:
    """A checker of ours, as dephealth sees it."""

    def __init__(self, kind: DependencyType, check: Check) -> None:
        self._kind = kind
        self._check = check

    async def check(self, endpoint: Endpoint) -> None:  # noqa: ARG002 - the port names it
        try:
            await self._check()
        except Exception as error:
            raise CheckError(str(error), status_category="unhealthy", status_detail="unhealthy") from error

    def checker_type(self) -> str:
        return str(self._kind)


def place_of(dsn: str) -> str:
    """The "host:port" of a PostgreSQL URL, without anything secret; a socket's folder stands for its host."""
    parts = urlsplit(dsn)
    asked = parse_qs(parts.query)
    host = parts.hostname or asked.get("host", ["localhost"])[0]
    return f"{host}:{parts.port or asked.get('port', ['5432'])[0]}"
