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
    for kind in (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram):
        monkeypatch.setattr(f"services.chassis.metrics.{kind.__name__}", _alone(kind))


def _alone(cls: Any) -> Any:
    return lambda *args, **kwargs: cls(*args, **{**kwargs, "registry": prometheus_client.CollectorRegistry()})


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
