"""Show service accounts."""

from __future__ import annotations

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.places import Place, page_of, read_place
from services.admin.ports import AccountStore
from services.model.errors import NotFound
from services.model.identity import Account, AccountStatus
from services.model.paging import Page, PageRequest


class ListAccounts:
    """A page of accounts, by name."""

    def __init__(self, *, accounts: AccountStore) -> None:
        self._accounts = accounts

    async def __call__(self, asked: PageRequest, *, status: AccountStatus | None = None) -> Page[Account]:
        """`status` None: of any. Raises `ValidationFailed` for a cursor that no listing gave out."""
        after = read_place(asked.cursor)
        rows, total = await self._accounts.page(limit=asked.limit + 1, offset=asked.offset, after=after, status=status)
        page = page_of(rows, total, asked, _place)
        return Page([each.shown for each in page.items], total, has_more=page.has_more, next_cursor=page.next_cursor)


class GetAccount:
    """One account."""

    def __init__(self, *, accounts: AccountStore) -> None:
        self._accounts = accounts

    async def __call__(self, account_id: str) -> Account:
        """Raises `NotFound`."""
        account = await self._accounts.get(account_id)
        if account is None:
            raise NotFound("there is no such service account")
        return account.shown


def _place(account: ServiceAccount) -> Place:
    return Place(account.name, account.id)
