"""Paging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from artstore.types.v1 import page_pb2

from services.model.paging import DEFAULT_LIMIT, Page, PageRequest

Row = TypeVar("Row")


def page_request_to_proto(page: PageRequest) -> page_pb2.PageRequest:
    """Every field."""
    return page_pb2.PageRequest(limit=page.limit, offset=page.offset, cursor=page.cursor)


def page_request_from_proto(message: page_pb2.PageRequest) -> PageRequest:
    """Every field, checked: raises `ValidationFailed` when one is out of its limits."""
    page = PageRequest(limit=message.limit or DEFAULT_LIMIT, offset=message.offset, cursor=message.cursor)
    page.check()
    return page


def page_info_to_proto(page: Page[Any]) -> page_pb2.PageInfo:
    """Where the page lies; its rows travel beside it."""
    return page_pb2.PageInfo(total=page.total, has_more=page.has_more, next_cursor=page.next_cursor)


def page_from_proto(rows: Sequence[Row], message: page_pb2.PageInfo) -> Page[Row]:
    """Rows, and where they lie."""
    return Page(items=rows, total=message.total, has_more=message.has_more, next_cursor=message.next_cursor)
