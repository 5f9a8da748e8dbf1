"""What Admin's metrics tell of feeds and operations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.admin.rpc.metrics import MeasuredFeeds, operation_ended
from services.model.feed import Change, ChangeKind, FeedPosition
from services.model.ids import ElementId, StorageId
from services.model.operations import Operation, OperationId, OperationKind, OperationState
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, file

ONE = StorageId("se-metrics-01")
LATER = NOW + timedelta(seconds=30)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def of_feed(name: str) -> float | None:
    return value(f"am_feed_{name}", storage_id=ONE)


def test_a_feed_is_followed_cut_short_and_left() -> None:
    clock = FakeClock(NOW)
    feeds = MeasuredFeeds(clock)
    feeds.begun(ONE)
    assert (of_feed("followed"), of_feed("reconnects_total"), of_feed("resets_total")) == (0, 0, 0)
    clock.advance(7)
    assert of_feed("age_seconds") == 7, "nothing was told yet"
    one, before = file(updated_at=clock.now() - timedelta(seconds=2)), value("am_feed_delay_seconds_sum") or 0
    feeds.told(ONE, [FeedPosition("feed-1", 0), Change(1, ChangeKind.CREATED, one.file_id, file=one)])
    assert (of_feed("followed"), of_feed("age_seconds"), of_feed("changes_total")) == (1, 0, 1)
    assert (value("am_feed_delay_seconds_sum") or 0) - before == pytest.approx(2)
    clock.advance(60)
    feeds.told(ONE, [FeedPosition("feed-1", 1)])
    assert (of_feed("age_seconds"), of_feed("changes_total")) == (0, 1)
    feeds.interrupted(ONE)
    feeds.reset(ONE)
    clock.advance(5)
    assert (of_feed("followed"), of_feed("reconnects_total"), of_feed("resets_total")) == (0, 1, 1)
    assert of_feed("age_seconds") == 5
    feeds.left(ONE)
    assert (of_feed("followed"), of_feed("age_seconds")) == (None, None)


@pytest.mark.parametrize("state", [OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED])
@pytest.mark.parametrize("kind", list(OperationKind))
def test_operations_are_counted_by_kind_and_result(kind: OperationKind, state: OperationState) -> None:
    def counted() -> tuple[float, ...]:
        return (
            value("am_operations_total", kind=kind.value, result=state.value) or 0,
            value("am_operation_duration_seconds_sum", kind=kind.value) or 0,
            value("am_sync_files_total", outcome="listed") or 0,
            value("am_sync_files_total", outcome="missing") or 0,
        )

    before = counted()
    element = ElementId("0198c0de-0000-4000-8000-000000000000")
    result = {"listed": 9, "missing": 2, "examples": {}} if state is OperationState.SUCCEEDED else None
    operation_ended(
        Operation(
            OperationId("x"), kind, element, state, "admin", NOW, started_at=NOW, finished_at=LATER, result=result
        )
    )
    synced = kind is OperationKind.SYNC and result is not None
    added = [after - earlier for after, earlier in zip(counted(), before, strict=True)]
    assert added == [1, 30, 9 * synced, 2 * synced]


def test_one_that_was_never_begun_took_no_time() -> None:
    element = ElementId("0198c0de-0000-4000-8000-000000000000")
    before = value("am_operation_duration_seconds_count", kind="sync")
    operation_ended(
        Operation(OperationId("x"), OperationKind.SYNC, element, OperationState.CANCELLED, "a", NOW, finished_at=NOW)
    )
    assert value("am_operation_duration_seconds_count", kind="sync") == before
