"""A clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Fills `services.model.clock.Clock`."""

    def __init__(self, now: datetime = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, by: timedelta | float) -> None:
        """Let time pass, on both clocks."""
        delta = by if isinstance(by, timedelta) else timedelta(seconds=by)
        self._now += delta
        self._monotonic += delta.total_seconds()

    def jump(self, by: timedelta) -> None:
        """Move the wall clock alone."""
        self._now += by
