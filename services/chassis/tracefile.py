"""Spans in a file, one JSON object a line: for tests, and for people without a collector.

    {"trace_id", "span_id", "parent_span_id" (null at the root), "service", "name", "kind" (server | client | internal),
     "start" (RFC 3339, UTC), "duration_ms", "status" (unset | ok | error), "attributes": {}}

Any number of processes may share the file: each line is one write in append mode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id


class FileExporter(SpanExporter):
    """Appends to `path`, which is made for its owner's eyes only if it is not there."""

    def __init__(self, path: Path) -> None:
        """Raises `SystemExit` with the reason if the file cannot be written."""
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SystemExit(f"Cannot write traces to {path}: {error.strerror}") from None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            for span in spans:
                os.write(self._file, line(span))
        except OSError:  # a full disk must not harm the service
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        os.close(self._file)


def line(span: ReadableSpan) -> bytes:
    """One span as it is written."""
    found = span.context
    start, end = span.start_time or 0, span.end_time or 0
    value = {
        "trace_id": format_trace_id(found.trace_id),
        "span_id": format_span_id(found.span_id),
        "parent_span_id": format_span_id(span.parent.span_id) if span.parent else None,
        "service": span.resource.attributes.get("service.name"),
        "instance": span.resource.attributes.get("service.instance.id"),
        "name": span.name,
        "kind": span.kind.name.lower(),
        "start": datetime.fromtimestamp(start / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "duration_ms": round((end - start) / 1e6, 3),
        "status": span.status.status_code.name.lower(),
        "attributes": dict(span.attributes or {}),
    }
    return json.dumps(value, ensure_ascii=False, default=str).encode() + b"\n"
