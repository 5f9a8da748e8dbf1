"""The id that follows one request through every process and every log line."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "x-request-id"

_VALID = re.compile(r"[A-Za-z0-9._\-]{1,128}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def accept(given: str | None) -> str:
    """The caller's id if it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else a new one."""
    return given if given and _VALID.fullmatch(given) else secrets.token_hex(16)


def bind(value: str) -> None:
    """Make `value` the id of the request that this task serves."""
    _current.set(value)


def current() -> str:
    """The id of the request that this task serves; empty outside of any."""
    return _current.get()
