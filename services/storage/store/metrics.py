"""What the store itself measures; the element's other metrics are in `rpc/metrics.py`."""

from __future__ import annotations

from prometheus_client import Histogram

BATCH = Histogram(
    "se_small_batch_files", "Small files that were stored together by one job.", buckets=(1, 2, 4, 8, 16, 24, 32)
)
WAL_FSYNC = Histogram(
    "se_wal_fsync_seconds",
    "How long a frame of the journal took to become durable; all that waits shares one.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
