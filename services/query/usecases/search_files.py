"""Find documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.model.clock import Clock
from services.model.paging import Page
from services.model.search import SearchHit, SearchRequest
from services.query.domain.cursor import Cursor, read_cursor, write_cursor
from services.query.domain.ordering import ordering_of
from services.query.ports import Match, Registry


class SearchFiles:
    """List the documents that match, a page at a time."""

    def __init__(self, *, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    async def __call__(self, request: SearchRequest) -> Page[SearchHit]:
        """Return a page. Raises `ValidationFailed`, also for a cursor that another search gave out.

        `total` is counted with the first page; the pages that its cursors lead to repeat it.
        """
        request.check()
        now, ordering, limit = self._clock.now(), ordering_of(request), request.page.limit
        start = read_cursor(request.page.cursor, request, ordering) if request.page.cursor else None
        found = await self._registry.find(request, ordering, start.after if start else None, limit=limit + 1, now=now)
        total = start.total if start else await self._total(request, found, now)
        more = len(found) > limit
        return Page(
            items=[SearchHit(replace(match.file, status=match.file.status_at(now)), match.score)
                   for match in found[:limit]],
            total=total,
            has_more=more,
            next_cursor=write_cursor(Cursor(found[limit - 1].position, total), request, ordering) if more else "",
        )  # fmt: skip

    async def _total(self, request: SearchRequest, found: Sequence[Match], now: datetime) -> int:
        """Counted only where the rows at hand do not tell it already."""
        offset, limit = request.page.offset, request.page.limit
        if len(found) <= limit and (found or not offset):
            return offset + len(found)
        return await self._registry.count(request, now=now)
