"""Traces: nothing at all while they are off; whole traces, requests only and no secrets while they are on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.http import errors
from gateway.http.traced import Traced
from services.chassis import telemetry
from services.chassis.settings import TelemetrySettings
from services.model.errors import NotFound

TRACE = "ab" * 16
TRACEPARENT = f"00-{TRACE}-{'cd' * 8}-01"

Spans = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Spans]:
    """Tracing is on; calling this ends it and returns what was written."""
    file = tmp_path / "spans.jsonl"
    telemetry.start("test", TelemetrySettings(artstore_trace_file=file))

    def written() -> list[dict[str, Any]]:
        telemetry.stop()
        return [json.loads(line) for line in file.read_text().splitlines()]

    yield written
    telemetry.stop()


def in_a_task(work: Callable[[], Any]) -> Any:
    """Each request has a task, and with it a context, of its own."""

    async def task() -> Any:
        return work()

    return asyncio.run(task())


def test_while_it_is_off_nothing_of_it_is_even_imported() -> None:
    code = (
        "import sys, gateway.app, services.admin.app, services.query.app, services.storage.app, services.ingester.app\n"
        "from services.chassis import telemetry\n"
        "from services.chassis.settings import TelemetrySettings\n"
        "telemetry.start('x', TelemetrySettings())\n"
        "assert not telemetry.active() and telemetry.client_interceptors() == [] and telemetry.trace_id() == ''\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_while_it_is_off_metadata_stay_what_they_were() -> None:
    metadata: telemetry.Metadata = (("x-request-id", "r"),)
    with telemetry.outgoing("/a.B/C", metadata) as sent:
        assert sent is metadata
    assert telemetry.serving("a.B/C", {"traceparent": TRACEPARENT}, {}) is telemetry.NONE


def test_a_request_continues_the_callers_trace_and_passes_it_on(spans: Spans) -> None:
    def request() -> None:
        span = telemetry.serving("a.B/C", {"traceparent": TRACEPARENT}, {"rpc.system": "grpc"})
        assert telemetry.trace_id() == TRACE
        with telemetry.outgoing("/d.E/F", (("x-request-id", "r"),)) as sent:
            assert str(dict(sent)["traceparent"]).startswith(f"00-{TRACE}-")
            assert ("x-request-id", "r") in sent
        span.end("OK", request_id="r")

    in_a_task(request)
    client, server = spans()
    assert (server["trace_id"], server["parent_span_id"], server["kind"]) == (TRACE, "cd" * 8, "server")
    assert (client["trace_id"], client["parent_span_id"], client["kind"]) == (TRACE, server["span_id"], "client")
    assert server["service"] == "artstore-test"
    assert server["attributes"] == {"rpc.system": "grpc", "artstore.outcome": "OK", "request_id": "r"}


def test_a_request_without_one_begins_a_trace(spans: Spans) -> None:
    in_a_task(lambda: telemetry.serving("a.B/C", {"traceparent": "nonsense"}, {}).end("OK"))
    (span,) = spans()
    assert span["parent_span_id"] is None


def test_what_no_request_stands_behind_is_left_out(spans: Spans) -> None:
    def heartbeat() -> None:
        with telemetry.outgoing("/d.E/F", ()) as sent:
            flags = str(dict(sent)["traceparent"]).rpartition("-")[2]
            assert not int(flags, 16) & 1  # not sampled, so that the other side leaves it out as well

    in_a_task(heartbeat)
    assert spans() == []


def test_a_stream_that_fails_is_marked(spans: Spans) -> None:
    def request() -> None:
        span = telemetry.serving("a.B/C", {}, {})
        with pytest.raises(NotFound), telemetry.outgoing("/d.E/F", ()):
            raise NotFound("a secret name")
        span.end("INTERNAL_ERROR", failed=True)

    in_a_task(request)
    written = spans()
    assert [span["status"] for span in written] == ["error", "error"]
    assert "secret" not in json.dumps(written)


def test_the_edge_names_routes_and_never_addresses(spans: Spans) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/files/{file_id}"
        await send({"type": "http.response.start", "status": 503, "headers": []})

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "http", "method": "GET", "path": "/files/secret", "query_string": b"link=secret", "headers": []}
    asyncio.run(Traced(app)(scope, nothing, nothing))
    (span,) = spans()
    assert (span["name"], span["status"]) == ("GET /files/{file_id}", "error")
    assert "secret" not in json.dumps(span)


def test_an_error_answer_names_the_trace_only_where_there_is_one(spans: Spans) -> None:
    def answer() -> Any:
        return json.loads(errors.answer(NotFound("gone")).content)["error"]

    def request() -> Any:
        telemetry.serving("a.B/C", {"traceparent": TRACEPARENT}, {})
        return answer()

    assert in_a_task(request)["trace_id"] == TRACE
    assert "trace_id" not in in_a_task(answer)


def test_processes_share_a_file_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from services.chassis import telemetry\n"
        "from services.chassis.settings import TelemetrySettings\n"
        "telemetry.start(sys.argv[2], TelemetrySettings(artstore_trace_file=Path(sys.argv[1])))\n"
        "async def main():\n"
        "    for number in range(300):\n"
        "        telemetry.serving('a.B/C', {}, {'filler': 'x' * 5000}).end('OK')\n"
        "asyncio.run(main())\n"
        "telemetry.stop()\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(file), name]) for name in ("one", "two", "three")]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    services = [json.loads(line)["service"] for line in file.read_text().splitlines()]
    assert sorted(set(services)) == ["artstore-one", "artstore-three", "artstore-two"]
    assert len(services) == 900
    assert file.stat().st_mode & 0o777 == 0o600
