"""Peak memory and processor time of every process of a mesh while a case runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

INTERVAL = 0.1
"""Seconds between two looks."""


@dataclass
class Usage:
    """What the processes used during one case."""

    peak_rss: dict[str, int] = field(default_factory=dict)
    """Bytes; PostgreSQL and Envoy with their children."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds."""


@contextmanager
def watched(info: dict[str, Any]) -> Iterator[Usage]:
    """Watch the processes that `standalone.json` names until the block ends."""
    usage = Usage()
    families = {name: _family(entry["pid"]) for name, entry in info["processes"].items()}
    before = {name: _cpu(family) for name, family in families.items()}
    done = threading.Event()

    def look() -> None:
        while True:
            for name, family in families.items():
                usage.peak_rss[name] = max(usage.peak_rss.get(name, 0), _largest(family))
            if done.wait(INTERVAL):
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        done.set()
        thread.join()
        usage.cpu = {name: _cpu(family) - before[name] for name, family in families.items()}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _largest(family: list[psutil.Process]) -> int:
    sizes = [0]
    for process in family:
        try:
            sizes.append(process.memory_info().rss)
        except psutil.NoSuchProcess:  # a worker of PostgreSQL that has ended
            continue
    return max(sizes)


def _cpu(family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
