"""The one error format."""

from __future__ import annotations

import msgspec


class ErrorDetail(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: str
    """Its name as the client wrote it; nested ones with dots."""
    message: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong."""

    code: str
    """One of the documented codes; never renamed."""
    message: str
    """For people."""
    request_id: str
    """Finds the request in the logs; also in the header X-Request-Id."""
    details: list[ErrorDetail] | None = None
    """The fields that are wrong, where there are some."""
    trace_id: str | None = None
    """Finds the request among the traces, where the operator records them (W3C Trace Context)."""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 4xx and 5xx."""

    error: ErrorBody
