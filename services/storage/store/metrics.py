"""What the store itself measures; the element's other metrics are in `rpc/metrics.py`."""

from __future__ import annotations

from prometheus_client import Histogram

BATCH = Histogram(
    "se_small_batch_files", "Small files that were stored together by one job.", buckets=(1, 2, 4, 8, 16, 24, 32)
)
