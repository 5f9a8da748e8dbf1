"""Servers of the chassis, made for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from tests.doubles.keys import SigningKeys
from tests.service.chassis.ground import Ground


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several servers in one process, which only tests have, may not share a registry."""
    registry = prometheus_client.CollectorRegistry()
    monkeypatch.setattr("services.chassis.metrics.Counter", _of(prometheus_client.Counter, registry))
    monkeypatch.setattr("services.chassis.metrics.Gauge", _of(prometheus_client.Gauge, registry))
    monkeypatch.setattr("services.chassis.metrics.Histogram", _of(prometheus_client.Histogram, registry))


def _of(cls: Any, registry: prometheus_client.CollectorRegistry) -> Any:
    return lambda *args, **kwargs: cls(*args, **{**kwargs, "registry": registry})


@pytest.fixture
async def ground(tmp_path: Path, keys: SigningKeys, fresh_metrics: None) -> AsyncIterator[Ground]:
    """An Admin-like server: it reads bearers."""
    made = Ground(tmp_path, keys)
    await made.start(element=False)
    yield made
    await made.close()


@pytest.fixture
async def element(tmp_path: Path, keys: SigningKeys, fresh_metrics: None) -> AsyncIterator[Ground]:
    """An element-like server: it believes trusted modules."""
    made = Ground(tmp_path, keys)
    await made.start(element=True)
    yield made
    await made.close()
