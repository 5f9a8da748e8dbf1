"""What a status means when it is not ours: it comes from a proxy, a transport, or a peer that stops."""

from __future__ import annotations

import grpc
import pytest

from services.chassis.faults import DETAILS_KEY, STATUS, details_of, from_status
from services.model.errors import (
    DeadlineExceeded,
    ErrorCode,
    Forbidden,
    InternalError,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    StorageUnavailable,
    Unauthorized,
)


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(ErrorCode)
    assert grpc.StatusCode.OK not in STATUS.values()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, Unauthorized),
        (grpc.StatusCode.PERMISSION_DENIED, Forbidden),
        (grpc.StatusCode.UNAVAILABLE, StorageUnavailable),
        (grpc.StatusCode.CANCELLED, StorageUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, RateLimited),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.UNKNOWN, InternalError),
    ],
)
def test_a_bare_status_becomes_ours(code: grpc.StatusCode, error: type[Exception]) -> None:
    assert type(from_status(code, "said", None, unavailable=StorageUnavailable)) is error


@pytest.mark.parametrize("details", [b"", b"\xff\xff", b"garbage", b"\x0a\x03abc"])
def test_details_that_are_not_ours_are_passed_over(details: bytes) -> None:
    seen = from_status(grpc.StatusCode.UNAVAILABLE, "said", details)
    assert isinstance(seen, ServiceUnavailable)


def test_our_details_win_over_the_status() -> None:
    assert isinstance(from_status(grpc.StatusCode.UNKNOWN, "said", details_of(NotFound("no such file"))), NotFound)
    assert DETAILS_KEY.endswith("-bin")
