"""Errors over gRPC: raised on one side, the same class is raised again on the other.

One table code → status; sent as `google.rpc.Status` with an `ErrorInfo`. See https://google.aip.dev/193 for the shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from services.model.errors import (
    ERRORS,
    ArtStoreError,
    DeadlineExceeded,
    ErrorCode,
    FieldProblem,
    Forbidden,
    InternalError,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    ValidationFailed,
)

DOMAIN = "artstore"
DETAILS_KEY = "grpc-status-details-bin"

Code = grpc.StatusCode

STATUS: dict[ErrorCode, grpc.StatusCode] = {
    ErrorCode.VALIDATION_ERROR: Code.INVALID_ARGUMENT,
    ErrorCode.CHECKSUM_MISMATCH: Code.INVALID_ARGUMENT,
    ErrorCode.UNAUTHORIZED: Code.UNAUTHENTICATED,
    ErrorCode.ACCOUNT_LOCKED: Code.PERMISSION_DENIED,
    ErrorCode.FORBIDDEN: Code.PERMISSION_DENIED,
    ErrorCode.NOT_FOUND: Code.NOT_FOUND,
    ErrorCode.MODE_NOT_ALLOWED: Code.FAILED_PRECONDITION,
    ErrorCode.INVALID_TRANSITION: Code.FAILED_PRECONDITION,
    ErrorCode.CONFIRMATION_REQUIRED: Code.FAILED_PRECONDITION,
    ErrorCode.CONFLICT: Code.ALREADY_EXISTS,
    ErrorCode.FILE_DELETED: Code.NOT_FOUND,
    ErrorCode.FILE_EXPIRED: Code.NOT_FOUND,
    ErrorCode.FILE_MISSING: Code.NOT_FOUND,
    ErrorCode.FILE_DAMAGED: Code.DATA_LOSS,
    ErrorCode.FILE_TOO_LARGE: Code.INVALID_ARGUMENT,
    ErrorCode.RANGE_NOT_SATISFIABLE: Code.OUT_OF_RANGE,
    ErrorCode.METADATA_TOO_LARGE: Code.INVALID_ARGUMENT,
    ErrorCode.PRECONDITION_FAILED: Code.FAILED_PRECONDITION,
    ErrorCode.RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Code.INVALID_ARGUMENT,
    ErrorCode.METHOD_NOT_ALLOWED: Code.UNIMPLEMENTED,
    ErrorCode.INTERNAL_ERROR: Code.INTERNAL,
    ErrorCode.STORAGE_UNAVAILABLE: Code.UNAVAILABLE,
    ErrorCode.SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
    ErrorCode.NO_ELEMENT_AVAILABLE: Code.UNAVAILABLE,
    ErrorCode.STORAGE_FULL: Code.RESOURCE_EXHAUSTED,
    ErrorCode.DEADLINE_EXCEEDED: Code.DEADLINE_EXCEEDED,
    ErrorCode.FEED_RESET: Code.OUT_OF_RANGE,
}
"""Total over `ErrorCode`, which a test checks."""

_BARE: dict[grpc.StatusCode, type[ArtStoreError]] = {
    Code.UNAUTHENTICATED: Unauthorized,
    Code.PERMISSION_DENIED: Forbidden,
    Code.RESOURCE_EXHAUSTED: RateLimited,
    Code.DEADLINE_EXCEEDED: DeadlineExceeded,
    Code.INVALID_ARGUMENT: ValidationFailed,
}
"""What a status without our details means: it comes from a proxy or from gRPC itself."""


def details_of(error: ArtStoreError) -> bytes:
    """The serialized `google.rpc.Status` of an error, for the trailer `DETAILS_KEY`."""
    serialized: bytes = status_of(error).SerializeToString()
    return serialized


def status_of(error: ArtStoreError) -> status_pb2.Status:
    """An error as a message, for answers that say of each of several things what became of it."""
    info = error_details_pb2.ErrorInfo(reason=error.code.value, domain=DOMAIN)
    parts: list[any_pb2.Any] = [_packed(info)]
    if error.details:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=p.field, description=p.message) for p in error.details
        ]
        parts.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        parts.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    number: int = STATUS[error.code].value[0]
    return status_pb2.Status(code=number, message=error.message, details=parts)


def from_status(
    code: grpc.StatusCode,
    message: str | None,
    details: bytes | None,
    unavailable: type[ArtStoreError] = ServiceUnavailable,
) -> ArtStoreError:
    """The error that a status carries. One without our details becomes `unavailable` if the peer was not reached."""
    if details:
        error = _from_details(details)
        if error is not None:
            return error
    if code in (Code.UNAVAILABLE, Code.CANCELLED):  # a peer that stops cancels what its grace did not cover
        return unavailable("cannot be reached now; try again", retry_after=2)
    if code in _BARE:
        return _BARE[code](message or code.name)
    return InternalError(f"unexpected answer from a peer: {code.name}")


@contextmanager
def translated(unavailable: type[ArtStoreError] = ServiceUnavailable) -> Iterator[None]:
    """Around a client's call: raise the error that the server raised."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, unavailable) from error


def from_rpc_error(error: grpc.aio.AioRpcError, unavailable: type[ArtStoreError] = ServiceUnavailable) -> ArtStoreError:
    """The error that a failed call carries."""
    trailers: Sequence[tuple[str, str | bytes]] = tuple(error.trailing_metadata() or ())
    details = next((value for key, value in trailers if key == DETAILS_KEY), None)
    return from_status(
        error.code(), error.details(), details if isinstance(details, bytes) else None, unavailable=unavailable
    )


def _from_details(raw: bytes) -> ArtStoreError | None:
    try:
        status = status_pb2.Status.FromString(raw)
    except Exception:  # noqa: BLE001 - whatever the parser raises on bytes that are not ours: the bare status decides
        return None
    return _told(status)


def error_of(status: status_pb2.Status) -> ArtStoreError:
    """The error that such a message tells of."""
    return _told(status) or InternalError(f"unexpected answer from a peer: {status.message}")


def _told(status: status_pb2.Status) -> ArtStoreError | None:
    cls: type[ArtStoreError] | None = None
    problems: list[FieldProblem] = []
    retry_after: float | None = None
    for part in status.details:
        if part.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(part.value)
            if info.domain == DOMAIN and info.reason in ErrorCode.__members__:
                cls = ERRORS[ErrorCode(info.reason)]
        elif part.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(part.value)
            problems += [FieldProblem(v.field, v.description) for v in bad.field_violations]
        elif part.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry_after = error_details_pb2.RetryInfo.FromString(part.value).retry_delay.ToMilliseconds() / 1000
    return cls(status.message, problems, retry_after=retry_after) if cls else None


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
