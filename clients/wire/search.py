"""Searches."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from artstore.query.v1 import query_pb2

from clients.wire.files import (
    file_from_proto,
    file_to_proto,
    policy_filter_from_proto,
    policy_to_proto,
    status_from_proto,
    status_to_proto,
)
from clients.wire.paging import page_request_from_proto, page_request_to_proto
from clients.wire.scalars import EnumTable, json_from_text, json_to_text, only_set, time_from_proto, time_to_proto
from services.model.search import SearchHit, SearchMode, SearchRequest, SortKey, SortOrder, TagsMatch

_MODES = EnumTable(SearchMode, query_pb2.SearchMode, "SEARCH_MODE")
_MATCHES = EnumTable(TagsMatch, query_pb2.TagsMatch, "TAGS_MATCH")
_KEYS = EnumTable(SortKey, query_pb2.SortKey, "SORT_KEY")
_ORDERS = EnumTable(SortOrder, query_pb2.SortOrder, "SORT_ORDER")


def search_to_proto(request: SearchRequest) -> query_pb2.SearchRequest:
    """Every condition."""
    return query_pb2.SearchRequest(
        query=request.query,
        mode=_MODES.to_proto(request.mode),
        filename=request.filename,
        extension=request.extension,
        content_type=request.content_type,
        tags=request.tags,
        tags_match=_MATCHES.to_proto(request.tags_match),
        uploaded_by=request.uploaded_by,
        status=status_to_proto(request.status),
        retention_policy=policy_to_proto(request.retention_policy),
        metadata_json=json_to_text(request.metadata),
        sort=_KEYS.to_proto(request.sort),
        order=_ORDERS.to_proto(request.order),
        page=page_request_to_proto(request.page),
        **only_set(
            size_min=request.size_min,
            size_max=request.size_max,
            uploaded_after=time_to_proto(request.uploaded_after),
            uploaded_before=time_to_proto(request.uploaded_before),
            expires_before=time_to_proto(request.expires_before),
        ),
    )


def search_from_proto(message: query_pb2.SearchRequest) -> SearchRequest:
    """Every condition; the page is checked, the rest not yet."""
    return SearchRequest(
        query=message.query,
        mode=_MODES.optional(message.mode, "mode") or SearchMode.PARTIAL,
        filename=message.filename,
        extension=message.extension,
        content_type=message.content_type,
        tags=tuple(message.tags),
        tags_match=_MATCHES.optional(message.tags_match, "tags_match") or TagsMatch.ALL,
        uploaded_by=message.uploaded_by,
        size_min=message.size_min if message.HasField("size_min") else None,
        size_max=message.size_max if message.HasField("size_max") else None,
        uploaded_after=_time(message, "uploaded_after"),
        uploaded_before=_time(message, "uploaded_before"),
        expires_before=_time(message, "expires_before"),
        status=status_from_proto(message.status),
        retention_policy=policy_filter_from_proto(message.retention_policy),
        metadata=json_from_text(message.metadata_json, "metadata"),
        sort=_KEYS.optional(message.sort, "sort"),
        order=_ORDERS.optional(message.order, "order"),
        page=page_request_from_proto(message.page),
    )


def _time(
    message: query_pb2.SearchRequest, field: Literal["uploaded_after", "uploaded_before", "expires_before"]
) -> datetime | None:
    return time_from_proto(getattr(message, field), field) if message.HasField(field) else None


def hit_to_proto(hit: SearchHit) -> query_pb2.SearchHit:
    """The document, and how well it matches."""
    return query_pb2.SearchHit(file=file_to_proto(hit.file), score=hit.score)


def hit_from_proto(message: query_pb2.SearchHit) -> SearchHit:
    """The document, and how well it matches."""
    return SearchHit(file=file_from_proto(message.file), score=message.score)
