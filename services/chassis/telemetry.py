"""Traces: what a request did in which process, and for how long. Off unless somebody asked for them.

This is the face that everything else sees; it imports nothing of OpenTelemetry. While traces are off a request costs a
few calls that do nothing, and a chunk of a stream costs nothing at all. `tracing` does the work once they are on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from services.chassis.settings import TelemetrySettings

if TYPE_CHECKING:
    from services.chassis.tracing import Tracing

Metadata = tuple[tuple[str, str | bytes], ...]
"""Of a gRPC call."""


class Span(Protocol):
    """A piece of work of this process, seen from outside."""

    def end(self, outcome: str, *, failed: bool = False, name: str = "", **attributes: str | int) -> None:
        """It is over. `outcome`: an error code, a status, or "OK"; `failed`: by a fault of ours; `name`: a new one."""
        ...


class _NoSpan:
    def end(self, *_: object, **__: object) -> None:
        return


NONE: Span = _NoSpan()
"""What is not traced."""
_tracing: Tracing | None = None


def start(service: str, settings: TelemetrySettings, **resource: str) -> None:
    """Trace from here on, if the settings name a place for it. `resource`: what else is known of this process."""
    global _tracing  # noqa: PLW0603 - like logging: one for a process, used from everywhere
    if settings.otel_exporter_otlp_endpoint is None and settings.artstore_trace_file is None:
        return
    from services.chassis.tracing import Tracing

    _tracing = Tracing(service, settings, resource)


def stop() -> None:
    """Write what is still unwritten, and trace no more. Blocks for some seconds if the collector does not answer."""
    global _tracing  # noqa: PLW0603 - as above
    if _tracing is not None:
        _tracing.close()
    _tracing = None


def active() -> bool:
    """Whether this process traces."""
    return _tracing is not None


def trace_id() -> str:
    """The id of the trace that the present request belongs to, 32 hexadecimal digits; empty without one."""
    return _tracing.trace_id() if _tracing is not None else ""


def serving(name: str, carrier: Mapping[str, str], attributes: Mapping[str, str]) -> Span:
    """A request begins, continuing the trace in its headers (W3C `traceparent`), else beginning one.

    Everything that this task does from here on belongs to it. `name`: never with anything of the request in it.
    """
    return _tracing.serving(name, carrier, attributes) if _tracing is not None else NONE


@contextmanager
def outgoing(method: str, metadata: Metadata) -> Iterator[Metadata]:
    """Around a call that streams bytes to or from another process: yields its metadata, with the trace added."""
    if _tracing is None:
        yield metadata
        return
    with _tracing.outgoing(method, metadata) as traced:
        yield traced


def client_interceptors() -> list[Any]:
    """What a channel needs so that its unary calls are traced."""
    return _tracing.client_interceptors() if _tracing is not None else []


def trace_sql() -> None:
    """Trace the statements of this process, without their arguments."""
    if _tracing is not None:
        _tracing.trace_sql()
