"""Paging, the same for every listing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.model.errors import FieldProblem, raise_for

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a listing is wanted."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: str = ""
    """Opaque, from `Page.next_cursor`; excludes `offset`."""

    def check(self) -> None:
        """Raise `ValidationFailed` naming every field that is wrong."""
        problems = []
        if not 1 <= self.limit <= MAX_LIMIT:
            problems.append(FieldProblem("limit", f"must be between 1 and {MAX_LIMIT}"))
        if self.offset < 0:
            problems.append(FieldProblem("offset", "must not be negative"))
        if self.offset > 0 and self.cursor:
            problems.append(FieldProblem("cursor", "cannot be combined with offset"))
        raise_for(problems)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a listing."""

    items: Sequence[Row]
    total: int
    """Rows in the whole listing; of documents exactly up to 10,000, and about from there on."""
    has_more: bool
    next_cursor: str = ""
    """Empty on the last page."""
