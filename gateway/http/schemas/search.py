"""Searches and listings of documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.http.schemas.files import File, file_of
from services.model.errors import ValidationFailed
from services.model.files import FileStatus, RetentionPolicy, unique
from services.model.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, PageRequest
from services.model.search import SearchHit, SearchMode, SearchRequest, SortKey, SortOrder, TagsMatch

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="Rows wanted.")]
Offset = Annotated[int, Meta(ge=0, description="Rows to skip; not together with cursor.")]
Cursor = Annotated[str, Meta(description="next_cursor of the page before; its cost does not grow with depth.")]
Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Bytes, inclusive.")]
Moment = Annotated[datetime, Meta(tz=True)]


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Conditions; all that are given must hold."""

    filename: Annotated[str, Meta(description="A part of the file name, without regard to case.")] = ""
    extension: Annotated[str, Meta(description="Without the dot, without regard to case.")] = ""
    content_type: str = ""
    tags: list[str] = []
    tags_match: Annotated[TagsMatch, Meta(description="Whether all tags are needed or any one.")] = TagsMatch.ALL
    uploaded_by: str = ""
    size_min: Bytes | None = None
    size_max: Bytes | None = None
    uploaded_after: Annotated[Moment | None, Meta(description="Inclusive.")] = None
    uploaded_before: Annotated[Moment | None, Meta(description="Exclusive.")] = None
    expires_before: Annotated[Moment | None, Meta(description="Exclusive.")] = None
    status: FileStatus | None = None
    retention_policy: RetentionPolicy | None = None
    sort: Annotated[SortKey | None, Meta(description="Default: relevance with a query, else uploaded_at.")] = None
    order: Annotated[SortOrder | None, Meta(description="Default: desc, but asc by filename.")] = None
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""


class FilesQuery(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A listing of documents."""

    def request(self) -> SearchRequest:
        return _request(self)


class SearchBody(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to look for; without `query` it is a filter."""

    query: Annotated[str | None, Meta(description="Words or a part of a name.")] = None
    mode: Annotated[
        SearchMode,
        Meta(
            description="exact: the whole name; partial: a part of name or description; fulltext: all words of name, "
            'description and tags, in any form (Russian, English); "a phrase", -not, or.'
        ),
    ] = SearchMode.PARTIAL
    metadata: Annotated[dict[str, Any], Meta(description="Keys and values that the user's object must contain.")] = {}

    def request(self) -> SearchRequest:
        return _request(self, query=self.query or "", mode=self.mode, metadata=self.metadata)


class FoundFile(File, frozen=True, omit_defaults=True):
    """A document that matched."""

    score: Annotated[float | None, Meta(description="How well the name matches, 0 to 1; only with a query.")] = None


class SearchAnswer(msgspec.Struct, frozen=True):
    """A page of documents that matched."""

    items: list[FoundFile]
    total: Annotated[int, Meta(description="Documents that match.")]
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


def search_answer(page: Page[SearchHit], asked: SearchRequest) -> SearchAnswer:
    """A page of hits; scores only where there was a query to score by."""
    return SearchAnswer(
        items=[_found(hit, scored=bool(asked.query)) for hit in page.items],
        total=page.total,
        limit=asked.page.limit,
        offset=asked.page.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )


def _found(hit: SearchHit, *, scored: bool) -> FoundFile:
    return FoundFile(**msgspec.structs.asdict(file_of(hit.file)), score=hit.score if scored else None)


def _request(filters: Filters, **query: Any) -> SearchRequest:
    """The model's request. Raises `ValidationFailed` naming every field that is wrong."""
    request = SearchRequest(
        filename=filters.filename,
        extension=filters.extension,
        content_type=filters.content_type,
        tags=unique(tuple(filters.tags)),
        tags_match=filters.tags_match,
        uploaded_by=filters.uploaded_by,
        size_min=filters.size_min,
        size_max=filters.size_max,
        uploaded_after=_utc(filters.uploaded_after, "uploaded_after"),
        uploaded_before=_utc(filters.uploaded_before, "uploaded_before"),
        expires_before=_utc(filters.expires_before, "expires_before"),
        status=filters.status,
        retention_policy=filters.retention_policy,
        sort=filters.sort,
        order=filters.order,
        page=PageRequest(limit=filters.limit, offset=filters.offset, cursor=filters.cursor),
        **query,
    )
    request.check()
    return request


def _utc(moment: datetime | None, field: str) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValidationFailed.of(field, "lies outside of the years 1 to 9999 of UTC") from None
