"""Show the registered elements."""

from __future__ import annotations

from services.admin.domain.listing import ElementFilter, Position, read_cursor, write_cursor
from services.admin.ports import ElementStore
from services.model.elements import Element
from services.model.errors import NotFound
from services.model.ids import ElementId
from services.model.paging import Page, PageRequest


class ListElements:
    """A page of elements, by name."""

    def __init__(self, *, elements: ElementStore) -> None:
        self._elements = elements

    async def __call__(self, wanted: ElementFilter, page: PageRequest) -> Page[Element]:
        """Raises `ValidationFailed` for a cursor that no listing gave out."""
        after = read_cursor(page.cursor) if page.cursor else None
        # One row more than asked for tells whether there are more.
        rows, total = await self._elements.page(wanted, limit=page.limit + 1, offset=page.offset, after=after)
        shown, more = rows[: page.limit], len(rows) > page.limit
        cursor = write_cursor(Position(shown[-1].name, shown[-1].element_id)) if more else ""
        return Page([each.element for each in shown], total, has_more=more, next_cursor=cursor)


class GetElement:
    """One element."""

    def __init__(self, *, elements: ElementStore) -> None:
        self._elements = elements

    async def __call__(self, element_id: ElementId) -> Element:
        """Raises `NotFound`."""
        record = await self._elements.get(element_id)
        if record is None:
            raise NotFound("there is no such storage element")
        return record.element
