"""Event-loop lag: how long everything in this process had to wait for its turn."""

from __future__ import annotations

import asyncio

from prometheus_client import Histogram

INTERVAL = 0.5
"""Seconds between two measurements."""


async def measure(lag: Histogram, interval: float = INTERVAL) -> None:
    """Measure until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        lag.observe(max(0.0, loop.time() - due))
