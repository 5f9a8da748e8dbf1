"""Dependency health: our checks behind the metric names that dashboards know; event-loop lag; requests by route."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.http.measured import UNKNOWN, Measured
from services.chassis import lag
from services.chassis.dependencies import Dependencies, DependencyType, place_of
from services.chassis.metrics import HttpMetrics, ProcessMetrics

PATIENCE = 5.0


async def eventually(registry: CollectorRegistry, name: str, labels: dict[str, str]) -> float:
    """The value of a metric, once there is one."""
    async with asyncio.timeout(PATIENCE):
        while (value := registry.get_sample_value(name, labels)) is None:  # noqa: ASYNC110 - metrics tell nobody
            await asyncio.sleep(0.01)
    return value


async def well() -> None:
    return


async def ill() -> None:
    raise ConnectionError("nobody listens")


@pytest.mark.parametrize(("check", "expected"), [(well, 1.0), (ill, 0.0)])
async def test_a_dependency_is_a_metric(check: Any, expected: float) -> None:
    registry = CollectorRegistry()
    dependencies = Dependencies("query", timedelta(seconds=2), registry)
    dependencies.add("admin", DependencyType.GRPC, "[::1]:8000", check, critical=False)
    labels = {"name": "artstore-query", "group": "artstore", "dependency": "admin", "type": "grpc"}
    labels |= {"host": "::1", "port": "8000", "critical": "no"}
    async with dependencies:
        assert await eventually(registry, "app_dependency_health", labels) == expected
        assert await eventually(registry, "app_dependency_latency_seconds_count", labels) >= 1


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://anna:hunter2@db.example:6432/artstore", "db.example:6432"),
        ("postgresql://anna:hunter2@/artstore?host=/run/pg&port=5433", "/run/pg:5433"),
        ("postgresql:///artstore", "localhost:5432"),
    ],
)
def test_the_place_of_a_database_is_no_secret(dsn: str, place: str) -> None:
    assert place_of(dsn) == place


async def test_lag_is_seen() -> None:
    registry = CollectorRegistry()
    measuring = asyncio.create_task(lag.measure(ProcessMetrics("xx", registry).lag, interval=0.01))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - this is the lag
    await eventually_counted(registry)
    measuring.cancel()
    assert (registry.get_sample_value("xx_event_loop_lag_seconds_sum") or 0) >= 0.25


async def eventually_counted(registry: CollectorRegistry) -> None:
    async with asyncio.timeout(PATIENCE):
        while not registry.get_sample_value("xx_event_loop_lag_seconds_count"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("route", ["/files/{file_id}", None])
async def test_requests_are_counted_by_route_and_never_by_address(route: str | None) -> None:
    registry = CollectorRegistry()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if route:
            scope["path_template"] = route
        await send({"type": "http.response.start", "status": 404, "headers": []})

    async def nothing(*_: Any) -> Any:
        return None

    measured = Measured(app, HttpMetrics("xx", registry))
    await measured({"type": "http", "method": "GET", "path": "/files/secret"}, nothing, nothing)
    labels = {"method": "GET", "route": route or UNKNOWN, "status": "404"}
    assert registry.get_sample_value("xx_http_requests_total", labels) == 1
    assert registry.get_sample_value("xx_http_requests_in_flight") == 0
