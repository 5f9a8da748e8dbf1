"""Conditional requests, RFC 9110 section 13: entity tags, dates, and which of them decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum, auto

from services.model.errors import PreconditionFailed, ValidationFailed

_TAG = re.compile(r'(W/)?"([^"]*)"')
_LIST = re.compile(r'[ \t]*(?:(?:W/)?"[^"]*"[ \t]*(?:,[ \t]*|$))+')
_NEVER = datetime.min.replace(tzinfo=UTC)
_REVISION = re.compile(r'(?:W/)?"(\d{1,18})"|(\d{1,18})', re.ASCII)


class Outcome(Enum):
    """What the conditions of a request say."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    """304: the client has it already."""
    FAILED = auto()
    """412: it is not what the client expects."""


def etag_of_revision(revision: int) -> str:
    """The entity tag of a document's metadata."""
    return f'"{revision}"'


def etag_of_content(sha256: str) -> str:
    """The strong entity tag of a document's bytes, which never change."""
    return f'"{sha256}"'


def http_date(moment: datetime) -> str:
    """RFC 9110 section 5.6.7."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def evaluate(headers: Mapping[str, str], *, etag: str, modified: datetime) -> Outcome:
    """What the conditions say, in the order of section 13.2.2; `If-Range` is asked separately."""
    modified = modified.replace(microsecond=0)
    if (value := headers.get("if-match")) is not None:
        if not _matches(value, etag, strong=True):
            return Outcome.FAILED
    elif (date := _date(headers.get("if-unmodified-since"))) is not None and modified > date:
        return Outcome.FAILED
    if (value := headers.get("if-none-match")) is not None:
        if _matches(value, etag, strong=False):
            return Outcome.NOT_MODIFIED
    elif (date := _date(headers.get("if-modified-since"))) is not None and modified <= date:
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def evaluate_tags(headers: Mapping[str, str], *, etag: str) -> Outcome:
    """The same for what has no date of its own to a second, and so sends none: only tags are looked at."""
    tags = {name: headers[name] for name in ("if-match", "if-none-match") if name in headers}
    return evaluate(tags, etag=etag, modified=_NEVER)


def range_applies(if_range: str | None, *, etag: str, modified: datetime) -> bool:
    """Whether `Range` is to be honoured (section 13.1.5): without `If-Range`, or when that names what we have."""
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip() == etag  # a weak tag never matches
    return _date(if_range) == modified.replace(microsecond=0)


def expected_revision(if_match: str | None) -> int:
    """The revision that `If-Match` asks for: `"3"`, `W/"3"` (what a compressing proxy makes of it) or `3`; 0: any.

    Raises `PreconditionFailed` for a tag that no revision has, `ValidationFailed` for several tags.
    """
    if if_match is None or if_match.strip() == "*":
        return 0
    match = _REVISION.fullmatch(if_match.strip())
    revision = int(match.group(1) or match.group(2)) if match else 0
    if revision > 0:
        return revision
    if len(_TAG.findall(if_match)) > 1:
        raise ValidationFailed.of("If-Match", "give one revision")
    raise PreconditionFailed("The document has another revision than If-Match asks for.")


def _matches(value: str, etag: str, *, strong: bool) -> bool:
    if value.strip() == "*":
        return True
    if not _LIST.fullmatch(value):
        return False
    opaque = etag.strip('"')
    return any(tag == opaque and not (strong and weak) for weak, tag in _TAG.findall(value))


def _date(text: str | None) -> datetime | None:
    """The moment, or None where there is no valid date: a condition that cannot be understood is ignored."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
