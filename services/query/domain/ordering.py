"""In what order a search lists, and a place in that order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.model.ids import FileId
from services.model.search import SearchRequest, SortKey, SortOrder

SortValue = datetime | str | int | float
"""What rows are compared by: the time of upload, the lower-case name, the size, the score."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """By `key`, then by file id, both in the same direction."""

    key: SortKey
    descending: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in an ordering."""

    value: SortValue
    file_id: FileId


def ordering_of(request: SearchRequest) -> Ordering:
    """What the request asks for, or what is usual: best first with a query, newest first without, names from A."""
    key = request.sort or SortKey.RELEVANCE
    if key is SortKey.RELEVANCE and not request.query:
        key = SortKey.UPLOADED_AT  # nothing is more relevant than anything else
    if request.order is None:
        return Ordering(key, descending=key is not SortKey.FILENAME)
    return Ordering(key, descending=request.order is SortOrder.DESC)
