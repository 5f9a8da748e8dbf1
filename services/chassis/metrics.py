"""Every metric that the chassis exports, in one table; a service's own are in its `metrics` room.

`{prefix}` is the service's: am, se, im, qm, gw.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_RPC_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class RpcMetrics:
    """What a gRPC server tells of its calls."""

    def __init__(self, prefix: str) -> None:
        self.requests = Counter(f"{prefix}_grpc_requests_total", "Calls ended, by outcome.", ["method", "code"])
        self.duration = Histogram(
            f"{prefix}_grpc_request_duration_seconds", "How long calls took.", ["method"], buckets=_RPC_BUCKETS
        )
        self.in_flight = Gauge(f"{prefix}_grpc_requests_in_flight", "Calls under way.")


PREFIXES = {
    "admin": "am",
    "storage": "se",
    "ingester": "im",
    "query": "qm",
    "gateway": "gw",
    "admin_ui": "ui",
}
"""Prefix of each service's metrics and, in capitals, of its settings."""
