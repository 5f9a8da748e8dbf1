"""Many jobs at once, all of which have ended when the caller goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from services.storage.store.syncs import Syncs


@pytest.fixture(params=[1, 4])
def syncs(request: pytest.FixtureRequest) -> Iterator[Syncs]:
    made = Syncs(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 21])
def test_each_is_done_once(syncs: Syncs, count: int) -> None:
    done: list[int] = []
    syncs.each(done.append, range(count))
    assert sorted(done) == list(range(count))


def test_with_one_thread_they_are_done_in_order() -> None:
    syncs, done = Syncs(1), list[int]()
    syncs.each(done.append, range(9))
    syncs.close()
    assert done == list(range(9))


def test_they_are_done_at_the_same_time() -> None:
    syncs, together = Syncs(4), threading.Barrier(4, timeout=30)

    def job(_: int) -> None:
        together.wait()  # breaks unless all four are there at once

    syncs.each(job, range(4))
    syncs.close()


def test_a_failure_is_raised_when_the_others_have_ended() -> None:
    syncs, go_on, done = Syncs(3), threading.Event(), list[int]()

    def job(number: int) -> None:
        if number == 1:
            go_on.set()
            raise KeyError(number)
        go_on.wait(30)
        done.append(number)

    with pytest.raises(KeyError):
        syncs.each(job, range(3))
    syncs.close()
    assert sorted(done) == [0, 2]
