"""A collector: the server's side of OTLP over gRPC (opentelemetry-proto), which keeps what it is sent.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage


@dataclass(frozen=True)
class Span:
    """One that arrived."""

    trace_id: str
    span_id: str
    parent: str
    """The span id of its parent; empty at the root."""
    service: str
    kind: str
    """server, client or internal."""
    name: str
    start: int
    end: int
    """Nanoseconds since 1970."""
    attributes: dict[str, str]

    @property
    def step(self) -> tuple[str, str, str]:
        """Which step of a request it is: service without our prefix, kind, last part of the name."""
        return self.service.removeprefix("artstore-"), self.kind, self.name.lstrip("/").rpartition("/")[2]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Enter it; `.endpoint` is what goes into OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._arrived = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # has no types
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def Export(  # noqa: N802 - OTLP's name
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: Any,
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        with self._arrived:
            for resource in request.resource_spans:
                service = _attributes(resource.resource.attributes)["service.name"]
                self._spans += [_span(service, each) for scope in resource.scope_spans for each in scope.spans]
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def trace(self, request_id: str, complete: Callable[[list[Span]], bool], *, seconds: float) -> list[Span]:
        """All spans of all traces that know of a request, as soon as they are `complete`; by then or not, in time."""
        ends = time.monotonic() + seconds
        with self._arrived:
            while True:
                traces = {span.trace_id for span in self._spans if span.attributes.get("request_id") == request_id}
                found = [span for span in self._spans if span.trace_id in traces]
                if complete(found) or (left := ends - time.monotonic()) <= 0:
                    return sorted(found, key=lambda span: span.start)
                self._arrived.wait(left)


def _span(service: str, span: SpanMessage) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        service=service,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
    )


def _attributes(found: Any) -> dict[str, str]:
    pairs: list[KeyValue] = list(found)
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value")) for each in pairs}
