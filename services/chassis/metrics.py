"""Every metric that the chassis exports, in one table; a service's own are in its `metrics` module.

`{prefix}` is the service's: am, se, im, qm, gw. docs/metrics.md is made from the code (`nox -s docs`).
"""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class RpcMetrics:
    """What a gRPC server tells of its calls."""

    def __init__(self, prefix: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Counter(
            f"{prefix}_grpc_requests_total", "Calls ended, by outcome.", ["method", "code"], registry=registry
        )
        self.duration = Histogram(
            f"{prefix}_grpc_request_duration_seconds",
            "How long calls took.",
            ["method"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(f"{prefix}_grpc_requests_in_flight", "Calls under way.", registry=registry)


class HttpMetrics:
    """What an HTTP server tells of its requests."""

    def __init__(self, prefix: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Counter(
            f"{prefix}_http_requests_total",
            "Requests ended, by outcome; status 0: no answer was begun.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.duration = Histogram(
            f"{prefix}_http_request_duration_seconds",
            "How long requests took, from their head to the end of the answer.",
            ["method", "route"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(f"{prefix}_http_requests_in_flight", "Requests under way.", registry=registry)


class ProcessMetrics:
    """What every process tells of itself."""

    def __init__(self, prefix: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.lag = Histogram(
            f"{prefix}_event_loop_lag_seconds",
            "How much later than asked for the event loop came back to a task, measured twice a second.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.build = Gauge(f"{prefix}_build_info", "1; which version runs.", ["version"], registry=registry)
        self.ready = Gauge(
            f"{prefix}_ready", "1 while the process takes requests, 0 while it starts or stops.", registry=registry
        )


PREFIXES = {
    "admin": "am",
    "storage": "se",
    "ingester": "im",
    "query": "qm",
    "gateway": "gw",
    "admin_ui": "ui",
}
"""Prefix of each service's metrics and, in capitals, of its settings."""
