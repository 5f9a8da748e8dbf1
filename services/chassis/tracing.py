"""OpenTelemetry at work. Imported only where traces are on; everything else uses `telemetry`.

Of opentelemetry-instrumentation-grpc only the interceptor of unary client calls is used. Its others do not fit: on the
client's side they replace a byte stream's call by a generator that can be neither read nor cancelled as ours are, and
on the server's they undo their context in another task when a reader leaves, which is logged as an error each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceState

from services.chassis.settings import TelemetrySettings
from services.chassis.tracefile import FileExporter

FILE_DELAY = 500
"""Milliseconds after which spans are in the file, at the latest."""

Metadata = tuple[tuple[str, str | bytes], ...]


class RequestsOnly(Sampler):
    """Leaves out what no request stands behind: heartbeats, health checks, loops. The rest is for another to decide."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if not parent.is_valid and kind is not SpanKind.SERVER:
            return SamplingResult(Decision.DROP)
        return self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"RequestsOnly({self._inner.get_description()})"


class Tracing:
    """The tracer of one process and where its spans go."""

    def __init__(self, service: str, settings: TelemetrySettings, resource: Mapping[str, str]) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": f"artstore-{service}", **resource}), shutdown_on_exit=False
        )
        self._provider.sampler = RequestsOnly(self._provider.sampler)  # the inner one is chosen by OTEL_TRACES_SAMPLER
        if settings.artstore_trace_file is not None:
            exporter = FileExporter(settings.artstore_trace_file)
            self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FILE_DELAY))
        if settings.otel_exporter_otlp_endpoint is not None:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            otlp = OTLPSpanExporter(endpoint=settings.otel_exporter_otlp_endpoint)
            self._provider.add_span_processor(BatchSpanProcessor(otlp))
        self._tracer = self._provider.get_tracer("artstore")

    def close(self) -> None:
        """Write what is still unwritten."""
        self._provider.shutdown()

    def trace_id(self) -> str:
        """Of the present span; empty where there is none."""
        found = trace.get_current_span().get_span_context()
        return trace.format_trace_id(found.trace_id) if found.is_valid else ""

    def serving(self, name: str, carrier: Mapping[str, str], attributes: Mapping[str, str]) -> Served:
        """See `telemetry.serving`."""
        parent = propagate.extract(dict(carrier))
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, dict(attributes))
        # Never detached: each request has a task, and with it a context, of its own.
        context.attach(trace.set_span_in_context(span, parent))
        return Served(span)

    @contextmanager
    def outgoing(self, method: str, metadata: Metadata) -> Iterator[Metadata]:
        """See `telemetry.outgoing`. The span is not made the present one: a stream may end in another task."""
        span = self._tracer.start_span(method.lstrip("/"), kind=SpanKind.CLIENT, attributes=rpc_attributes(method))
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(span))
        try:
            yield (*metadata, *carrier.items())
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()

    def client_interceptors(self) -> list[Any]:
        """See `telemetry.client_interceptors`."""
        from opentelemetry.instrumentation.grpc import aio_client_interceptors
        from opentelemetry.instrumentation.grpc._aio_client import UnaryUnaryAioClientInterceptor

        made = aio_client_interceptors(tracer_provider=self._provider)  # type: ignore[no-untyped-call]  # has no types
        return [each for each in made if isinstance(each, UnaryUnaryAioClientInterceptor)]

    def trace_sql(self) -> None:
        """See `telemetry.trace_sql`."""
        from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

        instrumentor = AsyncPGInstrumentor()  # type: ignore[no-untyped-call]  # has no types
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=self._provider)


class Served:
    """The span of a request that this process serves."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, outcome: str, *, failed: bool = False, name: str = "", **attributes: str | int) -> None:
        """See `telemetry.Span`."""
        self._span.set_attributes({"artstore.outcome": outcome, **attributes})
        if name:
            self._span.update_name(name)
        if failed:
            self._span.set_status(Status(StatusCode.ERROR, outcome))
        self._span.end()


def rpc_attributes(method: str) -> dict[str, str]:
    """What OpenTelemetry's conventions say of "/package.Service/Method"."""
    service, _, name = method.lstrip("/").rpartition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
