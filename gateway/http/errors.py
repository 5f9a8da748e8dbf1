"""Errors as REST shows them: one table code → status, one body, and the headers that belong to some.

RFC 9110 section 15 for the statuses, RFC 6750 section 3 for `WWW-Authenticate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from gateway.http import answers
from gateway.http.body import ClientLeft
from gateway.http.schemas.errors import ErrorAnswer, ErrorBody, ErrorDetail
from services.chassis import request_id, telemetry
from services.chassis.logs import get_logger
from services.model.errors import (
    ArtStoreError,
    ErrorCode,
    FileTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
    UnsupportedMediaType,
    ValidationFailed,
)

log = get_logger(__name__)

HTTP_STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.VALIDATION_ERROR: 400,
    ErrorCode.CHECKSUM_MISMATCH: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.ACCOUNT_LOCKED: 423,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.MODE_NOT_ALLOWED: 409,
    ErrorCode.INVALID_TRANSITION: 409,
    ErrorCode.CONFIRMATION_REQUIRED: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.FILE_DELETED: 410,
    ErrorCode.FILE_EXPIRED: 410,
    ErrorCode.FILE_MISSING: 410,
    ErrorCode.FILE_DAMAGED: 500,
    ErrorCode.FILE_TOO_LARGE: 413,
    ErrorCode.RANGE_NOT_SATISFIABLE: 416,
    ErrorCode.METADATA_TOO_LARGE: 422,
    ErrorCode.PRECONDITION_FAILED: 412,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.STORAGE_UNAVAILABLE: 503,
    ErrorCode.SERVICE_UNAVAILABLE: 503,
    ErrorCode.NO_ELEMENT_AVAILABLE: 503,
    ErrorCode.STORAGE_FULL: 507,
    ErrorCode.DEADLINE_EXCEEDED: 504,
    ErrorCode.FEED_RESET: 500,  # spoken between services only: at the edge it is a fault of ours
}
"""Total over `ErrorCode`, which a test checks."""

RETRY_AFTER: Mapping[ErrorCode, int] = {
    ErrorCode.RATE_LIMITED: 1,
    ErrorCode.STORAGE_UNAVAILABLE: 5,
    ErrorCode.SERVICE_UNAVAILABLE: 2,
    ErrorCode.NO_ELEMENT_AVAILABLE: 30,
}
"""Seconds for `Retry-After` where the service gave none; every 429 and 503 has one."""

CHALLENGE = 'Bearer realm="artstore"'
NOTHING_HERE = "There is nothing at this address."
FAULT = "Something went wrong on our side. The request id finds it in the log."


class Refusal(Exception):
    """An error whose answer needs headers of its own."""

    def __init__(self, error: ArtStoreError, headers: Mapping[str, str]) -> None:
        super().__init__(error.message)
        self.error = error
        self.headers = headers


def status_of(error: ArtStoreError) -> int:
    """The HTTP status of an error."""
    return HTTP_STATUS[error.code]


def answer(error: ArtStoreError, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """The answer that shows `error` to the user. `headers` are added to those that its code brings along."""
    hidden = error.code is ErrorCode.INTERNAL_ERROR
    details = [ErrorDetail(field=p.field, message=p.message) for p in error.details] or None
    body = ErrorAnswer(
        error=ErrorBody(
            code=error.code.value,
            message=FAULT if hidden else error.message,
            request_id=request_id.current(),
            trace_id=telemetry.trace_id() or None,
            details=None if hidden else details,
        )
    )
    return answers.json(body, status=status_of(error), headers={**_headers_of(error), **(headers or {})})


def retry_after(error: ArtStoreError) -> str | None:
    """The value of `Retry-After`: whole seconds, at least one (RFC 9110 section 10.2.3)."""
    if error.retry_after is not None:
        return str(max(1, math.ceil(error.retry_after)))
    seconds = RETRY_AFTER.get(error.code)
    return None if seconds is None else str(seconds)


def report(error: BaseException) -> None:
    """Log what the operator should know of: faults with their traceback, refusals of 5xx in a line."""
    if not isinstance(error, ArtStoreError):
        log.error("a request failed", exc_info=error)
    elif error.code is ErrorCode.INTERNAL_ERROR:
        log.error("a request failed", reason=error.message, exc_info=error)
    elif status_of(error) >= 500:
        log.warning("a request was refused", code=error.code.value, reason=error.message)


def _headers_of(error: ArtStoreError) -> dict[str, str]:
    headers = {}
    wait = retry_after(error)
    if wait is not None:
        headers["retry-after"] = wait
    return headers


# -- What Litestar calls ----------------------------------------------------------------------------------------------


def _refusal(request: Request[Any, Any, Any], error: ArtStoreError) -> Response[bytes]:
    report(error)
    return answer(error, _challenge(request, error))


def _refusal_with_headers(_: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    report(refusal.error)
    return answer(refusal.error, refusal.headers)


def _challenge(request: Request[Any, Any, Any], error: ArtStoreError) -> dict[str, str]:
    """`WWW-Authenticate`, RFC 6750 section 3: without an error code where no token was shown at all."""
    if error.code is ErrorCode.FORBIDDEN:
        return {"www-authenticate": f'{CHALLENGE}, error="insufficient_scope"'}
    if error.code is not ErrorCode.UNAUTHORIZED:
        return {}
    shown = "authorization" in request.headers
    return {"www-authenticate": f'{CHALLENGE}, error="invalid_token"' if shown else CHALLENGE}


def _framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework itself refuses; its words are not for users."""
    ours: ArtStoreError
    match error.status_code:
        case 404:
            ours = NotFound(NOTHING_HERE)
        case 405:
            ours = MethodNotAllowed(
                f"This address does not take {request.method}; the header Allow says what it takes."
            )
        case 413:
            ours = FileTooLarge("The body of the request is larger than allowed here.")
        case 415:
            ours = UnsupportedMediaType("The body of the request is not of a type that this address takes.")
        case status if 400 <= status < 500:
            ours = ValidationFailed("The request could not be understood.")
        case _:
            return _fault(request, error)
    return answer(ours, error.headers)


def _fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    report(error)
    return answer(InternalError(FAULT))


def _client_left(_: Request[Any, Any, Any], __: ClientLeft) -> Response[bytes]:
    log.info("the client left before its request was complete")
    return answer(ValidationFailed("The request ended before its body was complete."))  # nobody reads it


HANDLERS: ExceptionHandlersMap = {
    ArtStoreError: _refusal,
    Refusal: _refusal_with_headers,
    HTTPException: _framework,
    ClientLeft: _client_left,
    Exception: _fault,
}
