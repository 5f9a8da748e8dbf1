"""Having an element reconcile itself, or read every byte again, as an operation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.admin.domain.operations import FINDINGS, Task
from services.admin.usecases.reconcile_element import ReconcileElement
from services.admin.usecases.scrub_element import ScrubElement
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.errors import NotFound, StorageUnavailable
from services.model.ids import QuarantineId, Subject
from services.model.maintenance import (
    Finding,
    Issue,
    ReconcileProgress,
    ReconcileReport,
    ScrubProgress,
    ScrubReport,
)
from services.model.operations import Operation, OperationId, OperationKind, OperationState, Progress
from tests.doubles.admin_stores import MemoryElements
from tests.support.admin_things import NOW, record


class FakeReconciling:
    """Fills `ports.Reconciling`."""

    def __init__(self, *told: ReconcileProgress | ReconcileReport) -> None:
        self.told = told
        self.asked: list[tuple[ElementAddress, bool, Identity]] = []

    async def reconcile(
        self, address: ElementAddress, *, quick: bool, user: Identity
    ) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        self.asked.append((address, quick, user))
        for each in self.told:
            yield each


ONE = record("se-rw-01")
FOUND = [Finding(Issue.ORPHANED, f"2026/{n}", None, "bytes alone", QuarantineId(str(n))) for n in range(FINDINGS + 5)]
REPORT = ReconcileReport(
    NOW, NOW + timedelta(seconds=3), thorough=True, files=7, counts={Issue.ORPHANED: len(FOUND) + 2, Issue.CORRUPT: 0},
    findings=tuple(FOUND), omitted=2, corrected=1,
)  # fmt: skip


def task(**arguments: Any) -> Task:
    operation = Operation(
        OperationId("x"), OperationKind.RECONCILE, ONE.element_id, OperationState.RUNNING, "somebody", NOW
    )
    return Task(operation, arguments)


async def result_of(*told: ReconcileProgress | ReconcileReport) -> tuple[Mapping[str, Any], list[Progress]]:
    notes: list[Progress] = []

    async def note(progress: Progress, memory: Mapping[str, Any]) -> None:
        notes.append(progress)

    reconcile = ReconcileElement(elements=MemoryElements(ONE), reconciling=FakeReconciling(*told))
    return await reconcile(task(), note), notes


async def test_the_report_is_the_result_and_progress_is_told() -> None:
    result, notes = await result_of(ReconcileProgress(3, 7, 0), ReconcileProgress(8, 7, 1), REPORT)
    assert notes == [Progress(3, 7), Progress(8, 8), Progress(8, 8)], "all is done at the end"
    assert (result["thorough"], result["files"], result["corrected"]) == (True, 7, 1)
    assert result["counts"] == {"orphaned": len(FOUND) + 2, "corrupt": 0}


async def test_only_the_first_findings_are_kept_in_words_and_the_others_counted() -> None:
    result, _ = await result_of(REPORT)
    assert len(result["findings"]) == FINDINGS
    assert result["omitted"] == 2 + 5
    assert result["findings"][0] == {
        "issue": "orphaned", "path": "2026/0", "file_id": None, "detail": "bytes alone", "quarantine_item": "0",
    }  # fmt: skip


async def test_a_stream_without_a_report_is_a_failure() -> None:
    with pytest.raises(StorageUnavailable, match="without its report"):
        await result_of(ReconcileProgress(3, 7, 0))


@pytest.mark.parametrize("quick", [True, False])
async def test_the_element_is_asked_in_the_name_of_whoever_started_it(quick: bool) -> None:
    reconciling = FakeReconciling(REPORT)

    async def note(progress: Progress, memory: Mapping[str, Any]) -> None: ...

    await ReconcileElement(elements=MemoryElements(ONE), reconciling=reconciling)(task(quick=quick), note)
    ((address, asked, user),) = reconciling.asked
    assert (address, asked) == (ONE.address, quick)
    assert user == Identity(Subject("somebody"), frozenset({"storage:write"}))
    with pytest.raises(NotFound):
        await ReconcileElement(elements=MemoryElements(), reconciling=reconciling)(task(), note)


class FakeScrubbing:
    """Fills `ports.Scrubbing`."""

    def __init__(self, *told: ScrubProgress | ScrubReport) -> None:
        self.told = told
        self.asked: list[tuple[ElementAddress, Identity]] = []

    async def scrub(
        self, address: ElementAddress, *, user: Identity
    ) -> AsyncGenerator[ScrubProgress | ScrubReport, None]:
        self.asked.append((address, user))
        for each in self.told:
            yield each


async def test_so_it_is_with_a_scrub() -> None:
    notes: list[Progress] = []

    async def note(progress: Progress, memory: Mapping[str, Any]) -> None:
        notes.append(progress)

    report = ScrubReport(
        NOW, NOW + timedelta(seconds=3), files=6, size=600, counts={Issue.MISMATCH: 1}, findings=tuple(FOUND[:1]),
        omitted=0, restored=2, failed=1,
    )  # fmt: skip
    scrubbing = FakeScrubbing(ScrubProgress(0, 9, 0, 0), ScrubProgress(7, 9, 600, 1), report)
    result = await ScrubElement(elements=MemoryElements(ONE), scrubbing=scrubbing)(task(), note)
    assert notes == [Progress(0, 9), Progress(7, 9), Progress(7, 7)]
    assert (result["files"], result["bytes"], result["restored"], result["failed"]) == (6, 600, 2, 1)
    assert result["counts"] == {"mismatch": 1}
    assert [each["path"] for each in result["findings"]] == ["2026/0"]
    assert scrubbing.asked == [(ONE.address, Identity(Subject("somebody"), frozenset({"storage:write"})))]
    with pytest.raises(StorageUnavailable, match="without its report"):
        await ScrubElement(elements=MemoryElements(ONE), scrubbing=FakeScrubbing())(task(), note)
