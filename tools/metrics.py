"""docs/metrics.md, from what the code registers: the chassis's table for each process, and every `metrics` module."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from services.chassis.dependencies import Dependencies
from services.chassis.metrics import PREFIXES, HttpMetrics, ProcessMetrics, RpcMetrics

ROOT = Path(__file__).resolve().parents[1]

ANY = "{prefix}"
"""Stands for the service's own prefix."""

_HEAD = """\
# Metrics

Every process shows its metrics at `/metrics` on its ops port (Prometheus text format), never through Envoy. This page
is made from the code (`nox -s docs`). Names are stable: dashboards and alerts rest on them.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    description: str


def document() -> str:
    """Return docs/metrics.md."""
    prefixes = ", ".join(f"`{prefix}` {service}" for service, prefix in PREFIXES.items() if service != "admin_ui")
    parts = [_HEAD, f"Prefixes: {prefixes}. A histogram has `_bucket`, `_sum` and `_count`.\n"]
    parts += [_section("Every process", [*chassis(ProcessMetrics), *dependencies()])]
    parts += [_section("Every process with a gRPC server", chassis(RpcMetrics))]
    parts += [_section("Every process with an HTTP server (the gateway)", chassis(HttpMetrics))]
    parts += [_section(f"`{module}`", rows) for module, rows in own().items()]
    parts += [_section("From libraries: the process, its interpreter, retries", library())]
    return "\n".join(parts)


def names() -> set[str]:
    """Return every name that is documented, with each service's prefix for `ANY`."""
    rows = [*chassis(ProcessMetrics), *dependencies(), *chassis(RpcMetrics), *chassis(HttpMetrics), *library()]
    rows += [row for each in own().values() for row in each]
    return {row.name.replace(ANY, prefix) for row in rows for prefix in PREFIXES.values()}


def chassis(kind: type[ProcessMetrics | RpcMetrics | HttpMetrics]) -> list[Row]:
    """Return the metrics that a class of the chassis makes."""
    registry = CollectorRegistry()
    kind("x", registry)
    return [Row(f"{ANY}{row.name[1:]}", row.type, row.labels, row.description) for row in _rows(registry)]


def dependencies() -> list[Row]:
    """Return the metrics of dependency health."""
    registry = CollectorRegistry()
    Dependencies("x", timedelta(seconds=2), registry)
    return list(_rows(registry))


def own() -> dict[str, list[Row]]:
    """Return what each service's own `metrics` modules register, by module."""
    found: dict[str, list[Row]] = {}
    for path in sorted([*ROOT.glob("services/*/**/metrics.py"), *ROOT.glob("gateway/**/metrics.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module != "services.chassis.metrics":
            defined = vars(importlib.import_module(module)).values()
            found[module] = [_row(each) for each in defined if isinstance(each, MetricWrapperBase)]
    return found


def library() -> list[Row]:
    """Return what prometheus-client and stamina show by themselves."""
    registry = CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)
    prometheus_client.GCCollector(registry=registry)
    rows = [
        Row(_full(family.name, family.type), family.type, (), family.documentation) for family in registry.collect()
    ]
    # Made by stamina with the first retry.
    retries = "Calls that were made again because nobody was reached."
    return [*rows, Row("stamina_retries_total", "counter", ("callable", "retry_num", "error_type"), retries)]


def _rows(registry: CollectorRegistry) -> Iterator[Row]:
    collectors = dict.fromkeys(registry._collector_to_names)  # noqa: SLF001 - labels are told nowhere else
    return (_row(each) for each in collectors if isinstance(each, MetricWrapperBase))


def _row(metric: MetricWrapperBase) -> Row:
    (family,) = metric.describe()
    labels: Iterable[str] = metric._labelnames  # noqa: SLF001 - told nowhere else
    return Row(_full(family.name, family.type), family.type, tuple(labels), family.documentation)


def _full(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def _section(title: str, rows: list[Row]) -> str:
    lines = [f"## {title}\n", "| metric | type | labels | |", "|---|---|---|---|"]
    for row in rows:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.name}` | {row.type} | {labels} | {row.description} |")
    return "\n".join(lines) + "\n"
