"""Every metric that Admin exports beside the chassis's, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from services.model.clock import Clock
from services.model.feed import Change, FeedPosition
from services.model.ids import StorageId
from services.model.operations import Operation, OperationKind, OperationState

FEED_FOLLOWED = Gauge(
    "am_feed_followed", "1 while this process follows the element's changes, 0 while it tries to.", ["storage_id"]
)
FEED_AGE = Gauge(
    "am_feed_age_seconds",
    "How long ago an element that is this process's to follow last told something, if only that it is there, and the "
    "registry knew it: how old the registry may be.",
    ["storage_id"],
)
FEED_CHANGES = Counter("am_feed_changes_total", "Changes that elements told and the registry knows.", ["storage_id"])
FEED_DELAY = Histogram(
    "am_feed_delay_seconds",
    "From a file's last change, by the element's clock, to when the registry knew it.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
FEED_RECONNECTS = Counter("am_feed_reconnects_total", "Times that following an element was cut short.", ["storage_id"])
FEED_RESETS = Counter(
    "am_feed_resets_total", "Times that an element's feed was another one or too old, so that it is synced in full.",
    ["storage_id"],
)  # fmt: skip

OPERATIONS = Counter(
    "am_operations_total", "Operations that this process ended: succeeded, failed or cancelled.", ["kind", "result"]
)
OPERATION_DURATION = Histogram(
    "am_operation_duration_seconds",
    "How long operations took from their beginning, on whatever process, to their end.",
    ["kind"],
    buckets=(0.1, 1, 10, 60, 600, 3600, 36000),
)
SYNC_FILES = Counter(
    "am_sync_files_total",
    "Files in full syncs that succeeded: listed by the element; added, updated, unchanged in the registry; missing; "
    "ended and destroyed meanwhile; elsewhere too; older than in the registry; of another history than in the registry "
    "(differing); unfit or unreadable.",
    ["outcome"],
)
OUTCOMES = (
    *("listed", "added", "updated", "unchanged", "missing", "ended", "elsewhere", "older", "differing", "unfit"),
    "unreadable",
)

# What has not happened yet shows as 0, not as a gap.
for _kind in OperationKind:
    for _state in (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED):
        OPERATIONS.labels(_kind.value, _state.value)
for _outcome in OUTCOMES:
    SYNC_FILES.labels(_outcome)


def operation_ended(operation: Operation) -> None:
    """Count an operation that is over."""
    OPERATIONS.labels(operation.kind.value, operation.state.value).inc()
    if operation.started_at is not None and operation.finished_at is not None:
        took = (operation.finished_at - operation.started_at).total_seconds()
        OPERATION_DURATION.labels(operation.kind.value).observe(max(0.0, took))
    if operation.kind is OperationKind.SYNC and operation.result is not None:
        for outcome in OUTCOMES:
            SYNC_FILES.labels(outcome).inc(operation.result.get(outcome, 0))


class MeasuredFeeds:
    """Fills `ports.FeedWitness`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begun(self, storage_id: StorageId) -> None:
        FEED_FOLLOWED.labels(storage_id).set(0)
        for counter in (FEED_CHANGES, FEED_RECONNECTS, FEED_RESETS):
            counter.labels(storage_id)
        self._known(storage_id)

    def told(self, storage_id: StorageId, frames: Sequence[Change | FeedPosition]) -> None:
        FEED_FOLLOWED.labels(storage_id).set(1)
        self._known(storage_id)
        now = self._clock.now()
        changes = [each for each in frames if isinstance(each, Change)]
        FEED_CHANGES.labels(storage_id).inc(len(changes))
        for change in changes:
            if change.file is not None:
                FEED_DELAY.observe(max(0.0, (now - change.file.updated_at).total_seconds()))

    def interrupted(self, storage_id: StorageId) -> None:
        FEED_FOLLOWED.labels(storage_id).set(0)
        FEED_RECONNECTS.labels(storage_id).inc()

    def reset(self, storage_id: StorageId) -> None:
        FEED_FOLLOWED.labels(storage_id).set(0)
        FEED_RESETS.labels(storage_id).inc()

    def left(self, storage_id: StorageId) -> None:
        for gauge in (FEED_FOLLOWED, FEED_AGE):
            gauge.remove(storage_id)

    def _known(self, storage_id: StorageId) -> None:
        since = self._clock.monotonic()
        FEED_AGE.labels(storage_id).set_function(lambda: self._clock.monotonic() - since)
