"""One error, one name, from the disk to the REST answer.

Every refusal that a user may meet is a subclass of `ArtStoreError` with its own `code`. The message is written for
that user: it says what is wrong and, where there is something, what to do; it never holds a secret, a path or an
address. `services.chassis.faults` carries these errors over gRPC, `gateway.http.errors` turns them into HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of the public error format. Codes are never renamed and never reused."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    """A value is malformed or out of its limits; the details name the field."""
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    """The bytes received do not have the declared length or digest; nothing was kept."""
    UNAUTHORIZED = "UNAUTHORIZED"
    """No valid token."""
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    """Too many failed logins; wait or have the account unlocked."""
    FORBIDDEN = "FORBIDDEN"
    """The token is valid but lacks a scope, or the calling module may not make this call."""
    NOT_FOUND = "NOT_FOUND"
    """There is no such thing, or no such path."""
    MODE_NOT_ALLOWED = "MODE_NOT_ALLOWED"
    """The element's mode does not permit the operation."""
    INVALID_TRANSITION = "INVALID_TRANSITION"
    """No transition leads from the present mode to the wanted one."""
    CONFIRMATION_REQUIRED = "CONFIRMATION_REQUIRED"
    """The operation must be confirmed explicitly."""
    CONFLICT = "CONFLICT"
    """The thing exists already with another content."""
    FILE_DELETED = "FILE_DELETED"
    """The file was deleted; its bytes are no longer served."""
    FILE_EXPIRED = "FILE_EXPIRED"
    """The file's time has passed; its bytes are no longer served."""
    FILE_MISSING = "FILE_MISSING"
    """The file's attributes are there but its bytes are not."""
    FILE_DAMAGED = "FILE_DAMAGED"
    """The file's bytes differ from its digest and are not served."""
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    """The file is larger than the limit."""
    RANGE_NOT_SATISFIABLE = "RANGE_NOT_SATISFIABLE"
    """The range lies beyond the end of the file."""
    METADATA_TOO_LARGE = "METADATA_TOO_LARGE"
    """Name, description, tags and metadata together do not fit into the attribute file."""
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    """The thing has another revision than the caller expected."""
    RATE_LIMITED = "RATE_LIMITED"
    """Too many requests; ask again later."""
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    """The body is not of a type that this path takes."""
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    """The path exists but not with this method."""
    INTERNAL_ERROR = "INTERNAL_ERROR"
    """A fault of ours; the request id finds it in the log."""
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    """The storage element cannot be reached or does not accept the operation now."""
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    """A service behind the edge cannot be reached now."""
    NO_ELEMENT_AVAILABLE = "NO_ELEMENT_AVAILABLE"
    """No online storage element takes files of this retention policy."""
    STORAGE_FULL = "STORAGE_FULL"
    """No room is left for the file."""
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """The operation did not end in its time."""
    FEED_RESET = "FEED_RESET"
    """The change feed cannot go on from there: list everything. gRPC only."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of a request."""

    field: str
    """Its name as the client wrote it, with dots for nested ones."""
    message: str
    """For the user."""


class ArtStoreError(Exception):
    """A refusal with a code; raise one of the subclasses."""

    code: ErrorCode = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str, details: Sequence[FieldProblem] = (), *, retry_after: float | None = None) -> None:
        """`message` is shown to users. `retry_after`: seconds after which asking again makes sense, where known."""
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.retry_after = retry_after


class ValidationFailed(ArtStoreError):
    code = ErrorCode.VALIDATION_ERROR

    @classmethod
    def of(cls, field: str, message: str) -> ValidationFailed:
        """A single field is wrong."""
        return cls.listing([FieldProblem(field, message)])

    @classmethod
    def listing(cls, problems: Sequence[FieldProblem]) -> ValidationFailed:
        """All of these are wrong."""
        return cls("; ".join(f"{p.field}: {p.message}" for p in problems), problems)


def raise_for(problems: Sequence[FieldProblem]) -> None:
    """Raise `ValidationFailed` listing `problems`, if there are any."""
    if problems:
        raise ValidationFailed.listing(problems)


class ChecksumMismatch(ArtStoreError):
    code = ErrorCode.CHECKSUM_MISMATCH


class Unauthorized(ArtStoreError):
    code = ErrorCode.UNAUTHORIZED


class AccountLocked(ArtStoreError):
    code = ErrorCode.ACCOUNT_LOCKED


class Forbidden(ArtStoreError):
    code = ErrorCode.FORBIDDEN


class NotFound(ArtStoreError):
    code = ErrorCode.NOT_FOUND


class ModeNotAllowed(ArtStoreError):
    code = ErrorCode.MODE_NOT_ALLOWED


class InvalidTransition(ArtStoreError):
    code = ErrorCode.INVALID_TRANSITION


class ConfirmationRequired(ArtStoreError):
    code = ErrorCode.CONFIRMATION_REQUIRED


class Conflict(ArtStoreError):
    code = ErrorCode.CONFLICT


class FileDeleted(ArtStoreError):
    code = ErrorCode.FILE_DELETED


class FileExpired(ArtStoreError):
    code = ErrorCode.FILE_EXPIRED


class FileMissing(ArtStoreError):
    code = ErrorCode.FILE_MISSING


class FileDamaged(ArtStoreError):
    code = ErrorCode.FILE_DAMAGED


class FileTooLarge(ArtStoreError):
    code = ErrorCode.FILE_TOO_LARGE


class RangeNotSatisfiable(ArtStoreError):
    code = ErrorCode.RANGE_NOT_SATISFIABLE


class MetadataTooLarge(ArtStoreError):
    code = ErrorCode.METADATA_TOO_LARGE


class PreconditionFailed(ArtStoreError):
    code = ErrorCode.PRECONDITION_FAILED


class RateLimited(ArtStoreError):
    code = ErrorCode.RATE_LIMITED


class UnsupportedMediaType(ArtStoreError):
    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class MethodNotAllowed(ArtStoreError):
    code = ErrorCode.METHOD_NOT_ALLOWED


class InternalError(ArtStoreError):
    code = ErrorCode.INTERNAL_ERROR


class StorageUnavailable(ArtStoreError):
    code = ErrorCode.STORAGE_UNAVAILABLE

    @classmethod
    def unconfirmed(cls, message: str, *, retry_after: float | None = None) -> StorageUnavailable:
        """It is not known whether what was asked for has happened: asking again with the same id settles it."""
        return cls(message, [FieldProblem("outcome", "unknown")], retry_after=retry_after)

    @property
    def outcome_unknown(self) -> bool:
        """Whether what was asked for may have happened nevertheless."""
        return any(each.field == "outcome" for each in self.details)


class ServiceUnavailable(ArtStoreError):
    code = ErrorCode.SERVICE_UNAVAILABLE


class NoElementAvailable(ArtStoreError):
    code = ErrorCode.NO_ELEMENT_AVAILABLE


class StorageFull(ArtStoreError):
    code = ErrorCode.STORAGE_FULL


class DeadlineExceeded(ArtStoreError):
    code = ErrorCode.DEADLINE_EXCEEDED


class FeedReset(ArtStoreError):
    code = ErrorCode.FEED_RESET


ERRORS: dict[ErrorCode, type[ArtStoreError]] = {cls.code: cls for cls in ArtStoreError.__subclasses__()}
"""The class of each code; total, which a test checks."""
