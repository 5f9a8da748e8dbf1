"""A search as SQL: what must hold of a row, and its arguments."""

from __future__ import annotations

import json
import re
from datetime import datetime

from services.model.files import FileStatus
from services.model.search import SearchMode, SearchRequest, TagsMatch

_JOINTS = re.compile(r'(?<=\w)[^\w\s"]+(?=\w)')


class Conditions:
    """Text and arguments of one statement; a value never becomes part of the text."""

    def __init__(self) -> None:
        self.arguments: list[object] = []
        self._parts: list[str] = []

    def value(self, value: object, kind: str) -> str:
        """A placeholder for `value` of the SQL type `kind`."""
        self.arguments.append(value)
        return f"${len(self.arguments)}::{kind}"

    def add(self, condition: str) -> None:
        """`condition` must hold, too."""
        self._parts.append(condition)

    @property
    def where(self) -> str:
        """All that must hold."""
        return " AND ".join(f"({part})" for part in self._parts) or "true"


def conditions_of(request: SearchRequest, now: datetime) -> Conditions:
    """What the request asks for. A document past its end is expired at `now`, whatever is written."""
    conditions = Conditions()
    _texts(conditions, request)
    _tags_and_metadata(conditions, request)
    _bounds(conditions, request)
    _status(conditions, request.status, now)
    return conditions


def contains(text: str) -> str:
    """The LIKE pattern of everything that contains `text`, which is taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def full_text(conditions: Conditions, query: str) -> str:
    """The query of a full-text search. The Russian configuration stems English words as the English one does.

    What joins words is a space here, as it is in the index; a minus before a word and quotes keep their meaning: with a
    second configuration, which knows a word in one form only, a minus would exclude that form and no other.
    """
    words = conditions.value(_JOINTS.sub(" ", query.replace("_", " ")), "text")
    return f"websearch_to_tsquery('pg_catalog.russian', {words})"


def _texts(conditions: Conditions, request: SearchRequest) -> None:
    if request.query and request.mode is SearchMode.EXACT:
        conditions.add(f"lower(original_filename) = lower({conditions.value(request.query, 'text')})")
    elif request.query and request.mode is SearchMode.FULLTEXT:
        conditions.add(f"words @@ {full_text(conditions, request.query)}")
    elif request.query:
        _partial(conditions, request.query)
    if request.filename:
        pattern = conditions.value(contains(request.filename), "text")
        # The first is for the index, the second for the truth: search_text holds the description as well.
        conditions.add(f"search_text LIKE lower({pattern}) AND lower(original_filename) LIKE lower({pattern})")
    if request.extension:
        conditions.add(f"extension = lower({conditions.value(request.extension.removeprefix('.'), 'text')})")
    if request.content_type:
        wanted = conditions.value(request.content_type, "text")
        # Without parameters it means every parameter (RFC 9110 section 8.3.1).
        kept = "content_type" if ";" in request.content_type else "rtrim(split_part(content_type, ';', 1))"
        conditions.add(f"lower({kept}) = lower({wanted})")
    if request.uploaded_by:
        conditions.add(f"uploaded_by = {conditions.value(request.uploaded_by, 'text')}")


def _partial(conditions: Conditions, query: str) -> None:
    pattern = conditions.value(contains(query), "text")
    conditions.add(f"search_text LIKE lower({pattern})")
    if " " in query:
        # Name and description are joined by a space there: what spans both is in neither.
        conditions.add(f"lower(original_filename) LIKE lower({pattern}) OR lower(description) LIKE lower({pattern})")


def _tags_and_metadata(conditions: Conditions, request: SearchRequest) -> None:
    if request.tags:
        operator = "@>" if request.tags_match is TagsMatch.ALL else "&&"
        conditions.add(f"tags {operator} {conditions.value(list(request.tags), 'text[]')}")
    if request.metadata:
        conditions.add(f"metadata @> {conditions.value(json.dumps(request.metadata), 'jsonb')}")


def _bounds(conditions: Conditions, request: SearchRequest) -> None:
    bounds: tuple[tuple[str, object, str], ...] = (
        ("size >= {}", request.size_min, "bigint"),
        ("size <= {}", request.size_max, "bigint"),
        ("uploaded_at >= {}", request.uploaded_after, "timestamptz"),
        ("uploaded_at < {}", request.uploaded_before, "timestamptz"),
        ("expires_at < {}", request.expires_before, "timestamptz"),
        ("retention_policy = {}", request.retention_policy, "text"),
    )
    for condition, value, kind in bounds:
        if value is not None:
            conditions.add(condition.format(conditions.value(value, kind)))


def _status(conditions: Conditions, status: FileStatus | None, now: datetime) -> None:
    if status is None:
        conditions.add("status <> 'deleted'")
    elif status is FileStatus.ACTIVE:
        moment = conditions.value(now, "timestamptz")
        conditions.add(f"status = 'active' AND (expires_at IS NULL OR expires_at > {moment})")
    elif status is FileStatus.EXPIRED:
        moment = conditions.value(now, "timestamptz")
        conditions.add(f"status = 'expired' OR status = 'active' AND expires_at <= {moment}")
    else:
        conditions.add(f"status = {conditions.value(status, 'text')}")
