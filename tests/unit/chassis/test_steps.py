"""Few streams move much at a time, many move little."""

from __future__ import annotations

import pytest

from services.chassis.channel import MAX_MESSAGE_BYTES
from services.chassis.steps import DOWNLOADS, LARGEST, SMALLEST, UPLOADS, Steps, step


@pytest.mark.parametrize(
    ("streams", "up", "down"),
    [
        (0, LARGEST, LARGEST),
        (1, LARGEST, LARGEST),
        (8, LARGEST, LARGEST),
        (16, LARGEST, LARGEST // 2),
        (32, LARGEST // 2, LARGEST // 4),
        (1000, SMALLEST, SMALLEST),
    ],
)
def test_a_step_is_a_share(streams: int, up: int, down: int) -> None:
    assert (step(streams, UPLOADS), step(streams, DOWNLOADS)) == (up, down)


@pytest.mark.parametrize("together", [UPLOADS, DOWNLOADS])
def test_shares_stay_within_what_is_there_until_they_are_at_their_smallest(together: int) -> None:
    sizes = [step(streams, together) for streams in range(1, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size % SMALLEST == 0 for size in sizes)
    assert all(size == SMALLEST or size * streams <= together for streams, size in enumerate(sizes, 1))
    assert max(sizes) < MAX_MESSAGE_BYTES


def test_a_stream_counts_until_it_has_ended_however() -> None:
    steps = Steps(DOWNLOADS)
    with pytest.raises(RuntimeError), steps.shared(), steps.shared():
        raise RuntimeError
    streams = [steps.shared() for _ in range(64)]
    for stream in streams:
        stream.__enter__()
    assert steps.size() == DOWNLOADS // 64
    for stream in streams:
        stream.__exit__(None, None, None)
    assert steps.size() == LARGEST
