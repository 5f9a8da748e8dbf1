"""What Admin keeps of an operation beside what others see, and when one is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.model.errors import ErrorCode
from services.model.ids import ElementId, Subject
from services.model.maintenance import Finding, ReconcileReport, ScrubReport
from services.model.operations import Operation, OperationKind, OperationState

MOST_ATTEMPTS = 5
"""How often one is taken up without getting further before it counts as failed: it may be what ends the process."""
ANOTHER_TRY = timedelta(minutes=1)
"""Pause after a periodic sync that failed for a reason that may pass."""
FINDINGS = 100
"""Findings of a pass that are kept in words."""
ITSELF = Subject("artstore-admin")
"""Who starts what nobody has asked for."""


@dataclass(frozen=True, slots=True)
class Order:
    """Something that shall be done."""

    kind: OperationKind
    element_id: ElementId
    by: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""


@dataclass(frozen=True, slots=True)
class Task:
    """An operation as whoever does it sees it."""

    operation: Operation
    arguments: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    """Where an earlier attempt stood; empty for the first one. JSON."""
    attempts: int = 0
    """How often it was taken up since it last got on, this time included."""


def covers(running: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether what runs with some arguments does all that others ask for: force is more than none, quick is less."""
    forced = bool(running.get("force")) or not asked.get("force")
    whole = not running.get("quick") or bool(asked.get("quick"))
    return forced and whole


def report_as_json(report: ReconcileReport) -> dict[str, Any]:
    """A reconciliation's report as an operation keeps it: all counts, and the first findings."""
    return {
        "started_at": report.started_at.isoformat(),
        "finished_at": report.finished_at.isoformat(),
        "thorough": report.thorough,
        "files": report.files,
        "counts": {issue.value: count for issue, count in report.counts.items()},
        **_shown(report),
        "corrected": report.corrected,
    }


def scrub_as_json(report: ScrubReport) -> dict[str, Any]:
    """A scrub's report in the same way."""
    return {
        "started_at": report.started_at.isoformat(),
        "finished_at": report.finished_at.isoformat(),
        "files": report.files,
        "bytes": report.size,
        "counts": {issue.value: count for issue, count in report.counts.items()},
        **_shown(report),
        "restored": report.restored,
        "failed": report.failed,
    }


def _shown(report: ReconcileReport | ScrubReport) -> dict[str, Any]:
    shown = report.findings[:FINDINGS]
    return {
        "findings": list(map(_finding_as_json, shown)),
        "omitted": report.omitted + len(report.findings) - len(shown),
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "issue": finding.issue.value,
        "path": finding.path,
        "file_id": finding.file_id,
        "detail": finding.detail,
        "quarantine_item": finding.set_aside,
    }


def due(last: Operation | None, now: datetime, interval: timedelta) -> bool:
    """Whether a periodic operation is to be started again; `last`: the last one of its kind, whoever asked for it."""
    if last is None:
        return True
    if not last.ended:
        return False
    passing = last.failure is not None and last.failure.code is not ErrorCode.CONFIRMATION_REQUIRED
    if last.state is OperationState.FAILED and passing:
        return now >= (last.finished_at or last.created_at) + min(interval, ANOTHER_TRY)
    return now >= last.created_at + interval
