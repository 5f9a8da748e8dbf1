"""What an element has found out about documents, and what it has set aside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.http.schemas.files import File, file_of
from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.files import FileStatus
from services.model.maintenance import QuarantineItem, Verified
from services.model.paging import DEFAULT_LIMIT, Page, PageRequest


class Verification(msgspec.Struct, frozen=True):
    """What reading a document again has shown."""

    outcome: Annotated[
        FileStatus, Meta(description="active: its bytes are right; damaged: they are not; missing: there are none.")
    ]
    verified_at: datetime
    expected_sha256: str
    actual_sha256: Annotated[str | None, Meta(description="null: there are no bytes at its place.")]
    actual_size: int | None
    file: Annotated[File, Meta(description="As it is now: a status that was wrong has been corrected.")]


class SetAside(msgspec.Struct, frozen=True):
    """Something in an element's quarantine."""

    id: Annotated[str, Meta(description="The name of its folder below `quarantine`.")]
    kind: Annotated[str, Meta(description="damaged, orphaned, corrupt, duplicate or foreign.")]
    set_aside_at: datetime
    file_id: Annotated[str | None, Meta(description="Of the document that it was, where its name tells.")]
    path: Annotated[str | None, Meta(description="Where it lay, from the element's folder on.")]
    names: Annotated[list[str], Meta(description="What lies in it.")]
    size: Annotated[int, Meta(description="Bytes of all of that.")]
    reason: str
    expected_sha256: str | None
    actual_sha256: str | None


class QuarantinePage(msgspec.Struct, frozen=True):
    """A page of an element's quarantine."""

    items: list[SetAside]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None = None


class QuarantineQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of it."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page


def verification(found: Verified) -> Verification:
    """What a client sees of a verification."""
    return Verification(
        outcome=found.outcome,
        verified_at=found.verified_at,
        expected_sha256=found.file.sha256,
        actual_sha256=found.actual_sha256,
        actual_size=found.actual_size,
        file=file_of(found.file),
    )


def quarantine_page(page: Page[QuarantineItem], asked: PageRequest) -> QuarantinePage:
    """A page of what was set aside."""
    return QuarantinePage(
        items=[_set_aside(item) for item in page.items],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )


def _set_aside(item: QuarantineItem) -> SetAside:
    return SetAside(
        id=item.item_id,
        kind=item.kind,
        set_aside_at=item.set_aside_at,
        file_id=item.file_id,
        path=item.path or None,
        names=list(item.names),
        size=item.size,
        reason=item.reason,
        expected_sha256=item.expected_sha256 or None,
        actual_sha256=item.actual_sha256 or None,
    )
