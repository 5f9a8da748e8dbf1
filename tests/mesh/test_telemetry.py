"""An upload and a download as whole traces over all processes; ids in logs and errors; every metric is documented."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.mesh import Mesh
from tools import metrics

PATIENCE = 20.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PROCESSES = ("admin", "ingester", "query", "gateway", "se-edit-01", "se-rw-01")

Span = dict[str, Any]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """A mesh of its own: the others do not trace."""
    made = Mesh.prepared()
    made.environment["ARTSTORE_TRACE_FILE"] = str(made.folder / "spans.jsonl")
    try:
        made.up()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def client(mesh: Mesh) -> Iterator[httpx.Client]:
    with mesh.client(mesh.token()) as made:
        yield made


Step = tuple[str, str, str]
"""The service, the kind of the span, and the last part of its name."""


def spans_of(mesh: Mesh, request_id: str, *, steps: set[Step]) -> list[Span]:
    """All spans of the trace that a request belongs to, once all these steps are among them."""
    ends = time.monotonic() + PATIENCE
    while True:
        written: list[Span] = [json.loads(line) for line in (mesh.folder / "spans.jsonl").read_text().splitlines()]
        traces = {span["trace_id"] for span in written if span["attributes"].get("request_id") == request_id}
        found = [span for span in written if span["trace_id"] in traces]
        # Each process writes by itself, a span after those inside: it is whole once nothing lacks its parent.
        present = {step_of(span) for span in found}
        if steps <= present and sum(is_root(span, found) for span in found) == 1:
            assert len(traces) == 1
            return found
        assert time.monotonic() < ends, f"{steps - present} are not among {present}"
        time.sleep(0.1)


def step_of(span: Span) -> Step:
    return span["service"], span["kind"], span["name"].lstrip("/").rpartition("/")[2]


def is_root(span: Span, among: list[Span]) -> bool:
    return span["parent_span_id"] not in {other["span_id"] for other in among}


def test_an_upload_is_one_trace_from_the_edge_to_the_disk_and_to_sql(mesh: Mesh, client: httpx.Client) -> None:
    answer = client.put(
        "/files/content",
        params={"filename": "secret-name.txt", "retention_policy": "permanent"},
        content=b"x" * 300_000,
        headers={"x-request-id": "traced-upload", "traceparent": TRACEPARENT},
    )
    assert answer.status_code == 201
    steps = {
        ("artstore-gateway", "server", "content"),
        ("artstore-gateway", "client", "Upload"),
        ("artstore-ingester", "server", "Upload"),
        ("artstore-ingester", "client", "SelectElement"),
        ("artstore-admin", "server", "SelectElement"),
        ("artstore-admin", "client", "SELECT"),
        ("artstore-ingester", "client", "Upload"),
        ("artstore-storage", "server", "Upload"),
        ("artstore-ingester", "client", "RegisterFile"),
        ("artstore-admin", "server", "RegisterFile"),
    }
    spans = spans_of(mesh, "traced-upload", steps=steps)
    assert {span["trace_id"] for span in spans} == {TRACE}
    assert [span["service"] for span in spans if is_root(span, spans)] == ["artstore-gateway"]
    assert {span["instance"] for span in spans if span["service"] == "artstore-storage"} == {"se-rw-01"}
    assert "secret-name" not in (mesh.folder / "spans.jsonl").read_text()


def test_a_download_begins_a_trace_of_its_own(mesh: Mesh, client: httpx.Client) -> None:
    parameters = {"filename": "a.txt", "retention_policy": "temporary"}
    ident = client.put("/files/content", params=parameters, content=b"draft").json()["file_id"]
    answer = client.get(f"/files/{ident}/download", headers={"x-request-id": "traced-download"})
    assert answer.content == b"draft"
    steps = {
        ("artstore-gateway", "server", "download"),
        ("artstore-query", "server", "Download"),
        ("artstore-query", "client", "SELECT"),
        ("artstore-storage", "server", "Download"),
    }
    spans = spans_of(mesh, "traced-download", steps=steps)
    (root,) = [span for span in spans if is_root(span, spans)]
    assert (root["parent_span_id"], root["name"]) == (None, "GET /api/v1/files/{file_id}/download")


def test_an_error_and_the_log_lines_of_its_request_carry_both_ids(mesh: Mesh, client: httpx.Client) -> None:
    reader = mesh.token("files:read")
    headers = {"x-request-id": "traced-error", "traceparent": TRACEPARENT, "authorization": f"Bearer {reader}"}
    error = client.put(
        "/files/content", params={"filename": "a", "retention_policy": "permanent"}, content=b"x", headers=headers
    ).json()["error"]
    assert (error["request_id"], error["trace_id"]) == ("traced-error", TRACE)
    lines = [line for line in log(mesh, "ingester").splitlines() if "traced-error" in line]
    assert lines
    assert all(TRACE in line for line in lines)


def log(mesh: Mesh, process: str) -> str:
    return Path(mesh.home / "logs" / f"{process}.log").read_text()


def test_no_process_complains_about_its_tracing(mesh: Mesh) -> None:
    complaints = re.compile(r"opentelemetry|detach|different Context", re.IGNORECASE)
    assert {name: complaints.findall(log(mesh, name)) for name in PROCESSES} == {name: [] for name in PROCESSES}


@pytest.mark.parametrize("process", PROCESSES)
def test_every_metric_that_a_process_shows_is_documented(mesh: Mesh, client: httpx.Client, process: str) -> None:
    port = mesh.reread()["processes"][process]["ops"]
    shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    names = {
        name for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", shown, re.MULTILINE) if not made_by_library(name)
    }
    assert names - metrics.names() == set()
    prefix = {"admin": "am", "ingester": "im", "query": "qm", "gateway": "gw"}.get(process, "se")
    assert f"{prefix}_event_loop_lag_seconds" in names
    assert f"{prefix}_{'http' if process == 'gateway' else 'grpc'}_requests_total" in names
    assert "process_resident_memory_bytes" in names


def made_by_library(name: str) -> bool:
    """When a counter or histogram was made, which the client library shows beside each."""
    return name.endswith("_created")


@pytest.mark.parametrize(
    ("process", "dependency"),
    [("query", "postgresql"), ("query", "admin"), ("ingester", "admin"), ("gateway", "query")],
)
def test_the_health_of_dependencies_is_shown(mesh: Mesh, process: str, dependency: str) -> None:
    port = mesh.reread()["processes"][process]["ops"]
    healthy = re.compile(rf'^app_dependency_health{{.*dependency="{dependency}".*}} 1\.0$', re.MULTILINE)
    ends = time.monotonic() + PATIENCE  # processes that start together do not find each other at once
    while not healthy.search(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text):
        assert time.monotonic() < ends, f"{process} does not see {dependency}"
        time.sleep(0.2)
