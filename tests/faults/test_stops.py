"""The process ends at each single call to a real file system; what it has written stays, synced or not.

Afterwards each file is wholly there or wholly absent, what was answered is there, and recovery run twice changes
nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.making import make_ground
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.size import FULL
from tests.faults.stopping import calls_of, stop, worth_stopping
from tests.faults.world import check, look_after_start, stages


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_the_end_of_the_process_at_any_call_leaves_everything_whole(operation: Operation, memory: Path) -> None:
    ground = await make_ground(operation.ground, memory / "real", strict=False)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    assert len(calls) >= 8, "there is something to stop"
    for number in worth_stopping(calls):
        left = await stop(ground, operation, number)
        seen = await look_after_start(left.ground, twice=FULL or number % 3 == 0)
        check(operation, worlds, left.answered, seen)
        left.remove()
