"""What the endpoints of OAuth 2.0 have in common: forms, and errors in the words of RFC 6749 section 5.2."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response

from gateway.http import answers, body, errors
from gateway.http.schemas.auth import TokenError
from services.model.errors import ArtStoreError, FileTooLarge

FORM_LIMIT = 16 << 10
"""Bytes of a form: several times the longest."""
NEVER_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
_FORM = "application/x-www-form-urlencoded"


class BadForm(Exception):
    """A form that cannot be understood; `error` is the word of the RFC for it."""

    def __init__(self, problem: str, error: str = "invalid_request") -> None:
        super().__init__(problem)
        self.error = error


async def form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields. Empty ones count as left out, none may be given twice (RFC 6749 section 3.2). Raises `BadForm`."""
    try:
        text = await body.whole(request, limit=FORM_LIMIT)
    except FileTooLarge:
        raise BadForm(f"the form is larger than {FORM_LIMIT} bytes") from None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise BadForm(f"the body must be {_FORM}")
    try:
        pairs = parse_qsl(text.decode("utf-8"), errors="strict", max_num_fields=64)
    except ValueError:
        raise BadForm("the body is not a form in UTF-8") from None
    return _each_once(pairs)


def _each_once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    if [name for name, _ in pairs].count("resource") > 1:
        # RFC 8707 section 2 permits several; a token for two elements could be used by the one at the other.
        raise BadForm("a token is given out for one resource", "invalid_target")
    raise BadForm("a parameter is given twice")


def refused(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An error answer."""
    # RFC 9110 section 15.5.2 wants the challenge with every 401, RFC 6749 at least where Basic was tried.
    challenge = {"www-authenticate": 'Basic realm="artstore", charset="UTF-8"'} if status == 401 else {}
    body_ = TokenError(error, description)
    return answers.json(body_, status=status, headers={**NEVER_KEPT, **challenge, **(headers or {})})


def failed(error: ArtStoreError) -> Response[bytes]:
    """Admin could not answer. RFC 6749 has no word for it at this endpoint; these are its words for another one."""
    errors.report(error)
    status = errors.status_of(error)
    if status < 500:
        return refused(400, "invalid_request", error.message)
    wait = errors.retry_after(error)
    headers = {} if wait is None else {"retry-after": wait}
    if status in (503, 504):
        return refused(503, "temporarily_unavailable", "tokens cannot be issued now; try again", headers)
    return refused(500, "server_error", errors.FAULT, headers)
