"""Cursors: where the next page begins, opaque to clients, valid only for the search that gave them out.

A cursor carries the place of the last row and the total, so that a deep page costs what the first does and nothing is
counted twice. It is no secret and is not signed: whoever forges one lies only to himself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime

from services.model.errors import ValidationFailed
from services.model.ids import parse_file_id
from services.model.search import SearchRequest, SortKey
from services.query.domain.ordering import Ordering, Position, SortValue

_MAX_BIGINT = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on, and how many rows the listing had when it began."""

    after: Position
    total: int


def write_cursor(cursor: Cursor, request: SearchRequest, ordering: Ordering) -> str:
    """Unpadded base64url (RFC 4648 section 5)."""
    value = cursor.after.value
    fields = [
        _fingerprint(request, ordering),
        value.isoformat() if isinstance(value, datetime) else value,
        cursor.after.file_id,
        cursor.total,
    ]
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, request: SearchRequest, ordering: Ordering) -> Cursor:
    """What `write_cursor` wrote for the same search. Raises `ValidationFailed` for anything else."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        fingerprint, value, file_id, total = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        ours = isinstance(fingerprint, str) and fingerprint == _fingerprint(request, ordering)
        if ours:  # else the value may be one of another order
            return Cursor(Position(_sort_value(value, ordering.key), parse_file_id(file_id)), _natural(total))
    except (ValueError, TypeError, RecursionError, ValidationFailed):
        raise ValidationFailed.of("cursor", "is not one that a search gave out") from None
    raise ValidationFailed.of("cursor", "belongs to another search: repeat all its conditions and its order")


def _fingerprint(request: SearchRequest, ordering: Ordering) -> str:
    conditions = asdict(request)
    for not_a_condition in ("page", "sort", "order"):
        del conditions[not_a_condition]
    text = json.dumps([conditions, asdict(ordering)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sort_value(value: object, key: SortKey) -> SortValue:
    """Raises `ValueError` or `TypeError` unless rows can be compared with it."""
    if key is SortKey.SIZE:
        return _natural(value)
    if key is SortKey.RELEVANCE:
        return _score(value)
    if not isinstance(value, str):
        raise TypeError
    if key is SortKey.UPLOADED_AT:
        return _aware(datetime.fromisoformat(value))
    value.encode()  # lone surrogates cannot be compared with anything
    if "\0" in value:
        raise ValueError
    return value


def _natural(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_BIGINT:
        raise TypeError
    return value


def _score(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError
    return time
