"""Storage elements in requests and answers; only holders of `storage:read` see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.elements import Element, ElementStatus, Mode, ReplicaMode, Role
from services.model.files import RetentionPolicy
from services.model.paging import DEFAULT_LIMIT, Page, PageRequest


class StorageElement(msgspec.Struct, frozen=True):
    """An element as it was last seen."""

    id: Annotated[str, Meta(description="UUID of the registration.")]
    name: str
    storage_id: Annotated[str, Meta(description="Its configured name.")]
    endpoint: Annotated[str, Meta(description="host:port of its gRPC server.")]
    mode: Mode
    status: ElementStatus
    status_since: datetime
    status_reason: Annotated[str, Meta(description="Why it is not online; empty when it is.")]
    replica_mode: ReplicaMode
    role: Role
    capacity_bytes: int
    used_bytes: int
    available_bytes: Annotated[int, Meta(description="What an upload may still use.")]
    files: Annotated[int, Meta(description="Of all statuses.")]
    version: str
    last_seen_at: datetime | None
    last_sync: Annotated[
        datetime | None, Meta(description="When all that it holds was last compared with the registry; null: never.")
    ]
    created_at: datetime


class ElementPage(msgspec.Struct, frozen=True):
    """A part of the listing."""

    items: list[StorageElement]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


class ElementsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which elements."""

    mode: Mode | None = None
    status: ElementStatus | None = None
    retention_policy: Annotated[
        RetentionPolicy | None, Meta(description="Only those that hold documents of this policy.")
    ] = None
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page


class NewElement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An element to register: it is asked what it is."""

    endpoint: Annotated[str, Meta(description="host:port of its gRPC server.", max_length=300)]
    name: Annotated[str, Meta(description="For people; its storage id if not given.", max_length=100)] = ""


class ElementAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an element may be."""

    endpoint: Annotated[str, Meta(description="host:port of its gRPC server.", max_length=300)]


class ElementUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a registration."""

    name: Annotated[
        Annotated[str, Meta(max_length=100)] | None, Meta(description="For people; empty: its storage id.")
    ] = None
    endpoint: Annotated[
        Annotated[str, Meta(max_length=300)] | None, Meta(description="host:port, where this very element answers.")
    ] = None


class ElementRemoval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is meant."""

    force: Annotated[bool, Meta(description="Even if the registry has documents of it; its disk is left alone.")] = (
        False
    )


def element_of(element: Element) -> StorageElement:
    """What an administrator sees of an element."""
    return StorageElement(
        id=element.element_id,
        name=element.name,
        storage_id=element.storage_id,
        endpoint=element.endpoint,
        mode=element.mode,
        status=element.status,
        status_since=element.status_since,
        status_reason=element.status_reason,
        replica_mode=element.replica_mode,
        role=element.role,
        capacity_bytes=element.capacity_bytes,
        used_bytes=element.used_bytes,
        available_bytes=element.available_bytes,
        files=element.files,
        version=element.version,
        last_seen_at=element.last_seen_at,
        last_sync=element.last_sync_at,
        created_at=element.created_at,
    )


def element_page(page: Page[Element], asked: PageRequest) -> ElementPage:
    """A page of elements."""
    return ElementPage(
        items=[element_of(element) for element in page.items],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )
