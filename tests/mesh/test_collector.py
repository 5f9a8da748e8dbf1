"""Spans reach a collector over OTLP: one request is one trace, from Envoy down to the disk and to SQL."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.collector import Collector, Span
from tests.support.mesh import Mesh

PATIENCE = 30.0
LARGE = b"x" * (3 << 20)
"""More than what goes to an element in one message."""
CALLER = "00f067aa0ba902b7"

# A step of a request, and the step that it belongs to.
TREE = {
    ("gateway", "server", "content"): ("envoy", "server", "PUT"),
    ("gateway", "client", "Upload"): ("gateway", "server", "content"),
    ("ingester", "server", "Upload"): ("gateway", "client", "Upload"),
    ("ingester", "client", "SelectElement"): ("ingester", "server", "Upload"),
    ("admin", "server", "SelectElement"): ("ingester", "client", "SelectElement"),
    ("admin", "client", "SELECT"): ("admin", "server", "SelectElement"),
    ("ingester", "client", "Upload"): ("ingester", "server", "Upload"),
    ("storage", "server", "Upload"): ("ingester", "client", "Upload"),
    ("ingester", "client", "RegisterFile"): ("ingester", "server", "Upload"),
    ("admin", "server", "RegisterFile"): ("ingester", "client", "RegisterFile"),
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def client(collector: Collector) -> Iterator[httpx.Client]:
    """Of a mesh that sends its spans there."""
    mesh = Mesh.prepared()
    mesh.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "500"}
    try:
        mesh.up()
        with mesh.client(mesh.token()) as made:
            yield made
    finally:
        mesh.close()


def upload(client: httpx.Client, request_id: str, **headers: str) -> None:
    answer = client.put(
        "/files/content",
        params={"filename": "secret-name.txt", "retention_policy": "permanent"},
        content=LARGE,
        headers={"x-request-id": request_id, **headers},
    )
    assert answer.status_code == 201, answer.text


def edges(spans: list[Span]) -> set[tuple[tuple[str, str, str], tuple[str, str, str]]]:
    """Each step with the one that it belongs to."""
    known = {span.span_id: span for span in spans}
    return {(span.step, known[span.parent].step) for span in spans if span.parent in known}


def whole(spans: list[Span]) -> bool:
    known = {span.span_id for span in spans}
    return set(TREE.items()) <= edges(spans) and sum(span.parent not in known for span in spans) == 1


def test_an_upload_is_one_trace_from_envoy_to_the_disk_and_to_sql(collector: Collector, client: httpx.Client) -> None:
    upload(client, "an-upload")
    spans = collector.trace("an-upload", whole, seconds=PATIENCE)
    assert set(TREE.items()) <= edges(spans), sorted(edges(spans))
    assert len({span.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if not span.parent]
    assert (root.service, root.kind, root.name) == ("artstore-envoy", "server", "PUT")
    assert root.attributes["http.status_code"] == "201"
    assert max(span.end for span in spans if span.service == "artstore-gateway") <= root.end + 50_000_000
    for span in spans:  # neither the address nor what stands in it
        assert "secret-name" not in str(span), span


def test_a_caller_s_trace_goes_on_and_one_that_he_does_not_record_is_not_recorded(
    collector: Collector, client: httpx.Client
) -> None:
    trace, silent = "4bf92f3577b34da6a3ce929d0e0e4736", "aaaa2f3577b34da6a3ce929d0e0e4736"
    upload(client, "not-recorded", traceparent=f"00-{silent}-{CALLER}-00")
    upload(client, "recorded", traceparent=f"00-{trace}-{CALLER}-01")
    spans = collector.trace("recorded", whole, seconds=PATIENCE)
    assert set(TREE.items()) <= edges(spans), sorted(edges(spans))
    assert {span.trace_id for span in spans} == {trace}
    assert [span.service for span in spans if span.parent == CALLER] == ["artstore-envoy"]
    assert collector.trace("not-recorded", bool, seconds=0) == []
