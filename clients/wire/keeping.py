"""What an element finds out about the files that it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from artstore.types.v1 import keeping_pb2

from clients.wire.files import file_from_proto, file_to_proto, status_from_proto, status_to_proto
from clients.wire.scalars import EnumTable, only_set, time_from_proto, time_to_proto
from services.model.errors import ValidationFailed
from services.model.ids import parse_file_id, parse_quarantine_id
from services.model.maintenance import (
    Finding,
    Issue,
    QuarantineItem,
    ReconcileProgress,
    ReconcileReport,
    ScrubProgress,
    ScrubReport,
    Verified,
)

_ISSUES = EnumTable(Issue, keeping_pb2.Issue, "ISSUE")


def verified_to_proto(found: Verified) -> keeping_pb2.Verification:
    """Every field."""
    return keeping_pb2.Verification(
        file=file_to_proto(found.file),
        outcome=status_to_proto(found.outcome),
        actual_sha256=found.actual_sha256 or "",
        verified_at=time_to_proto(found.verified_at),
        **only_set(actual_size=found.actual_size),
    )


def verified_from_proto(message: keeping_pb2.Verification) -> Verified:
    """Every field."""
    outcome = status_from_proto(message.outcome)
    if outcome is None:
        raise ValidationFailed.of("outcome", "is required")
    return Verified(
        file=file_from_proto(message.file),
        outcome=outcome,
        actual_size=message.actual_size if message.HasField("actual_size") else None,
        actual_sha256=message.actual_sha256 or None,
        verified_at=time_from_proto(message.verified_at, "verified_at"),
    )


def progress_to_proto(progress: ReconcileProgress) -> keeping_pb2.ReconcileProgress:
    """Every field."""
    return keeping_pb2.ReconcileProgress(done=progress.done, total=progress.total, issues=progress.issues)


def progress_from_proto(message: keeping_pb2.ReconcileProgress) -> ReconcileProgress:
    """Every field."""
    return ReconcileProgress(message.done, message.total, message.issues)


def report_to_proto(report: ReconcileReport) -> keeping_pb2.ReconcileReport:
    """Every field."""
    return keeping_pb2.ReconcileReport(
        started_at=time_to_proto(report.started_at),
        finished_at=time_to_proto(report.finished_at),
        thorough=report.thorough,
        files=report.files,
        counts=_counts_to_proto(report.counts),
        findings=map(_finding_to_proto, report.findings),
        omitted=report.omitted,
        corrected=report.corrected,
    )


def report_from_proto(message: keeping_pb2.ReconcileReport) -> ReconcileReport:
    """Every field; kinds of issues that this version does not know are left out."""
    return ReconcileReport(
        started_at=time_from_proto(message.started_at, "started_at"),
        finished_at=time_from_proto(message.finished_at, "finished_at"),
        thorough=message.thorough,
        files=message.files,
        counts=_counts(message.counts),
        findings=tuple(_finding(each) for each in message.findings if _known(each.issue)),
        omitted=message.omitted,
        corrected=message.corrected,
    )


def scrub_progress_to_proto(progress: ScrubProgress) -> keeping_pb2.ScrubProgress:
    """Every field."""
    return keeping_pb2.ScrubProgress(
        done=progress.done, total=progress.total, size=progress.size, issues=progress.issues
    )


def scrub_progress_from_proto(message: keeping_pb2.ScrubProgress) -> ScrubProgress:
    """Every field."""
    return ScrubProgress(message.done, message.total, message.size, message.issues)


def scrub_report_to_proto(report: ScrubReport) -> keeping_pb2.ScrubReport:
    """Every field."""
    return keeping_pb2.ScrubReport(
        started_at=time_to_proto(report.started_at),
        finished_at=time_to_proto(report.finished_at),
        files=report.files,
        size=report.size,
        counts=_counts_to_proto(report.counts),
        findings=map(_finding_to_proto, report.findings),
        omitted=report.omitted,
        restored=report.restored,
        failed=report.failed,
    )


def scrub_report_from_proto(message: keeping_pb2.ScrubReport) -> ScrubReport:
    """Every field; kinds of issues that this version does not know are left out."""
    return ScrubReport(
        started_at=time_from_proto(message.started_at, "started_at"),
        finished_at=time_from_proto(message.finished_at, "finished_at"),
        files=message.files,
        size=message.size,
        counts=_counts(message.counts),
        findings=tuple(_finding(each) for each in message.findings if _known(each.issue)),
        omitted=message.omitted,
        restored=message.restored,
        failed=message.failed,
    )


def item_to_proto(item: QuarantineItem) -> keeping_pb2.QuarantineItem:
    """Every field."""
    return keeping_pb2.QuarantineItem(
        item_id=item.item_id,
        kind=item.kind,
        set_aside_at=time_to_proto(item.set_aside_at),
        file_id=item.file_id or "",
        path=item.path,
        names=item.names,
        size=item.size,
        reason=item.reason,
        expected_sha256=item.expected_sha256,
        actual_sha256=item.actual_sha256,
    )


def item_from_proto(message: keeping_pb2.QuarantineItem) -> QuarantineItem:
    """Every field."""
    return QuarantineItem(
        item_id=parse_quarantine_id(message.item_id),
        kind=message.kind,
        set_aside_at=time_from_proto(message.set_aside_at, "set_aside_at"),
        file_id=parse_file_id(message.file_id) if message.file_id else None,
        path=message.path,
        names=tuple(message.names),
        size=message.size,
        reason=message.reason,
        expected_sha256=message.expected_sha256,
        actual_sha256=message.actual_sha256,
    )


def _known(issue: int) -> bool:
    return issue in keeping_pb2.Issue.values() and issue != keeping_pb2.ISSUE_UNSPECIFIED


def _counts_to_proto(counts: Mapping[Issue, int]) -> list[keeping_pb2.IssueCount]:
    return [keeping_pb2.IssueCount(issue=_ISSUES.to_proto(issue), count=count) for issue, count in counts.items()]


def _counts(messages: Iterable[keeping_pb2.IssueCount]) -> dict[Issue, int]:
    known = {_ISSUES.from_proto(each.issue, "issue"): each.count for each in messages if _known(each.issue)}
    return {**dict.fromkeys(Issue, 0), **known}


def _finding_to_proto(finding: Finding) -> keeping_pb2.Finding:
    return keeping_pb2.Finding(
        issue=_ISSUES.to_proto(finding.issue),
        path=finding.path,
        file_id=finding.file_id or "",
        detail=finding.detail,
        item_id=finding.set_aside or "",
    )


def _finding(message: keeping_pb2.Finding) -> Finding:
    return Finding(
        issue=_ISSUES.from_proto(message.issue, "issue"),
        path=message.path,
        file_id=parse_file_id(message.file_id) if message.file_id else None,
        detail=message.detail,
        set_aside=parse_quarantine_id(message.item_id) if message.item_id else None,
    )
