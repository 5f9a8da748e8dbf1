"""The table of statuses."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from gateway.http.errors import HTTP_STATUS, answer, retry_after, status_of
from services.model.errors import ERRORS, ErrorCode

PROMISED = {
    "VALIDATION_ERROR": 400, "CHECKSUM_MISMATCH": 400, "UNAUTHORIZED": 401, "ACCOUNT_LOCKED": 423, "FORBIDDEN": 403,
    "NOT_FOUND": 404, "MODE_NOT_ALLOWED": 409, "INVALID_TRANSITION": 409, "CONFIRMATION_REQUIRED": 409,
    "CONFLICT": 409, "FILE_DELETED": 410, "FILE_EXPIRED": 410, "FILE_MISSING": 410, "FILE_DAMAGED": 500,
    "FILE_TOO_LARGE": 413, "RANGE_NOT_SATISFIABLE": 416, "METADATA_TOO_LARGE": 422, "PRECONDITION_FAILED": 412,
    "RATE_LIMITED": 429, "INTERNAL_ERROR": 500, "STORAGE_UNAVAILABLE": 503, "SERVICE_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504, "STORAGE_FULL": 507, "NO_ELEMENT_AVAILABLE": 503, "UNSUPPORTED_MEDIA_TYPE": 415,
}  # fmt: skip
"""What the published surface says."""


def test_every_code_has_a_status_and_the_promised_one() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode)
    assert {code: HTTP_STATUS[ErrorCode(code)] for code in PROMISED} == PROMISED
    assert all(HTTPStatus(status) >= 400 for status in HTTP_STATUS.values())


@pytest.mark.parametrize("code", list(ErrorCode))
def test_whoever_shall_wait_is_told_how_long(code: ErrorCode) -> None:
    error = ERRORS[code]("x")
    if status_of(error) in (429, 503):
        assert int(retry_after(error) or 0) >= 1
    assert ("retry-after" in answer(error).headers) == (retry_after(error) is not None)
