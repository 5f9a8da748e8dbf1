"""Every metric that an element exports beside the chassis's, in one table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Role
from services.model.errors import ArtStoreError, FeedReset, ModeNotAllowed, StorageUnavailable
from services.model.feed import Change, FeedPosition
from services.model.files import FileStatus
from services.model.maintenance import Collected, Issue, ReconcileReport, ScrubReport
from services.model.paging import PageRequest
from services.storage.domain.modes import Operation
from services.storage.ports import Uploads
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.describe_element import DescribeElement
from services.storage.usecases.quarantine import ListQuarantine
from services.storage.usecases.reconcile import Reconcile, Run
from services.storage.usecases.resumable_uploads import ExpireUploads
from services.storage.usecases.scrub import Scrub, ScrubRun

log = get_logger(__name__)

OPERATIONS = Counter("se_operations_total", "Operations on files that ended, by outcome.", ["operation", "result"])
FILES = Gauge("se_files_total", "Files by status, as far as the index knows.", ["status"])
BYTES = Gauge("se_storage_bytes", "Bytes: used by files, capacity, available to uploads.", ["kind"])
WRITABLE = Gauge("se_writable", "1 while the element accepts writes, 0 after a disk error.")

FEED_WATCHES = Gauge("se_feed_watches", "Watches of the change feed that are open.")
FEED_CHANGES = Counter("se_feed_changes_total", "Changes that were sent to watches, by kind.", ["kind"])
FEED_RESETS = Counter("se_feed_resets_total", "Watches that were told to begin anew.")
ROLE = Gauge("se_role", "1 for what this process is among those of its element: leader or follower.", ["role"])

GC_RUNS = Counter("se_gc_runs_total", "Passes of garbage collection: done, refused or failed.", ["result"])
GC_DELETED = Counter("se_gc_files_deleted_total", "Files that garbage collection destroyed.")
GC_DURATION = Histogram("se_gc_duration_seconds", "How long passes of garbage collection took.")
GC_LAG = Gauge("se_gc_lag_seconds", "How long the last pass found a file waiting beyond its grace.")
GC_CLOCK = Gauge("se_gc_refused", "1 while garbage collection does nothing because it doubts the clock.")

RECONCILE_RUNS = Counter("se_reconcile_runs_total", "Reconciliations: done or failed.", ["result"])
RECONCILE_ISSUES = Counter("se_reconcile_issues_total", "What reconciliations found, known things again.", ["type"])
RECONCILE_DURATION = Histogram(
    "se_reconcile_duration_seconds", "How long reconciliations took.", buckets=(0.1, 1, 10, 60, 600, 3600, 36000)
)
SCRUB_RUNS = Counter(
    "se_scrub_runs_total", "Passes of the scrub: done or failed (an end of the process too).", ["result"]
)
SCRUB_FILES = Counter(
    "se_scrub_files_total",
    "Files that the scrub looked at: good; newly damaged, missing, restored; known to be bad; corrupt (their "
    "attributes); gone meanwhile; failed.",
    ["result"],
)
SCRUB_BYTES = Counter("se_scrub_bytes_total", "Bytes that the scrub read again.")
SCRUB_OLDEST = Gauge(
    "se_scrub_oldest_unverified_seconds", "How long ago the bytes were read whose turn it is next in the scrub."
)
QUARANTINE = Gauge("se_quarantine_items", "Things that were set aside and wait for a decision.")
# What has not happened yet shows as 0, not as a gap.
for _issue in Issue:
    RECONCILE_ISSUES.labels(_issue.value)
for _result in ("done", "failed"):
    RECONCILE_RUNS.labels(_result)
    SCRUB_RUNS.labels(_result)


UPLOADS = Gauge("se_uploads_open", "Resumable uploads that are not completed.")
UPLOADS_EXPIRED = Counter("se_uploads_expired_total", "Resumable uploads that were forgotten.")


@contextmanager
def counted(operation: Operation) -> Iterator[None]:
    """Count what happens inside as one operation, by its error code or "OK"; "CANCELLED" where the caller left."""
    result = "INTERNAL_ERROR"
    try:
        yield
        result = "OK"
    except ArtStoreError as error:
        result = error.code.value
        raise
    except Exception:
        raise
    except BaseException:
        result = "CANCELLED"
        raise
    finally:
        OPERATIONS.labels(operation.value, result).inc()


@contextmanager
def watching() -> Iterator[Callable[[FeedPosition | Change], None]]:
    """Count what happens inside as one watch; to be called with everything that was sent."""

    def sent(told: FeedPosition | Change) -> None:
        if isinstance(told, Change):
            FEED_CHANGES.labels(told.kind.value).inc()

    with FEED_WATCHES.track_inprogress():
        try:
            yield sent
        except FeedReset:
            FEED_RESETS.inc()
            raise


class CollectPass:
    """A pass of garbage collection that shows in the metrics."""

    def __init__(self, collect: CollectGarbage) -> None:
        self._collect = collect

    async def __call__(self, *, confirm_clock: bool = False) -> Collected:
        result = "failed"
        self._collect.require_mode()
        try:
            with GC_DURATION.time():
                done = await self._collect(confirm_clock=confirm_clock)
            result = "refused" if done.refused else "done"
        finally:
            GC_RUNS.labels(result).inc()
        GC_DELETED.inc(done.destroyed)
        GC_LAG.set(max(0.0, done.lag.total_seconds()))
        GC_CLOCK.set(bool(done.refused))
        return done

    async def by_itself(self) -> None:
        """The same from time to time: where the mode permits it, and once the index is there."""
        try:
            await self()
        except ModeNotAllowed:
            return
        except StorageUnavailable as error:
            log.warning("garbage was not collected", reason=error.message)


class ReconcilePass:
    """A reconciliation that shows in the metrics."""

    def __init__(self, reconcile: Reconcile) -> None:
        self._reconcile = reconcile

    async def __call__(self, run: Run) -> ReconcileReport:
        result = "failed"
        try:
            with RECONCILE_DURATION.time():
                report = await self._reconcile(run)
            result = "done"
        finally:
            RECONCILE_RUNS.labels(result).inc()
            for issue, count in run.counts.items():
                RECONCILE_ISSUES.labels(issue.value).inc(count)
        return report


class ScrubPass:
    """A pass of the scrub that shows in the metrics."""

    def __init__(self, scrub: Scrub, clock: Clock) -> None:
        self._scrub, self._clock = scrub, clock

    async def __call__(self, run: ScrubRun) -> ScrubReport:
        result = "failed"
        try:
            await self._scrub(self._count, run)
            result = "done"
        finally:
            SCRUB_RUNS.labels(result).inc()
        return run.report(self._clock.now())

    def _count(self, result: str, size: int) -> None:
        SCRUB_FILES.labels(result).inc()
        SCRUB_BYTES.inc(size)


class ObserveKeeping:
    """One pass brings the gauges of scrub and quarantine up to date; they stand still while the index is made."""

    def __init__(self, scrub: Scrub, quarantine: ListQuarantine) -> None:
        self._scrub, self._quarantine = scrub, quarantine

    async def __call__(self) -> None:
        with contextlib.suppress(StorageUnavailable):
            QUARANTINE.set((await self._quarantine(PageRequest(limit=1))).total)
            SCRUB_OLDEST.set((await self._scrub.oldest()).total_seconds())


class ExpirePass:
    """A pass over the resumable uploads that shows in the metrics."""

    def __init__(self, expire: ExpireUploads, uploads: Uploads) -> None:
        self._expire, self._uploads = expire, uploads

    async def __call__(self) -> None:
        try:
            UPLOADS_EXPIRED.inc(await self._expire())
            UPLOADS.set(sum(not each.completed for each in self._uploads.known()))
        except StorageUnavailable as error:
            log.warning("uploads were not looked through", reason=error.message)


class Observe:
    """One pass brings the gauges up to date."""

    def __init__(self, describe: DescribeElement) -> None:
        self._describe = describe

    async def __call__(self) -> None:
        info = await self._describe()
        WRITABLE.set(info.writable)
        for role in Role:
            ROLE.labels(role.value).set(info.role is role)
        for status in FileStatus:
            FILES.labels(status.value).set(info.files.get(status, 0))
        for kind, value in (
            ("used", info.used_bytes),
            ("capacity", info.capacity_bytes),
            ("available", info.available_bytes),
        ):
            BYTES.labels(kind).set(value)
