"""Give the system account a new secret."""

from __future__ import annotations

from services.admin.domain.accounts import hash_secret
from services.admin.ports import AccountStore
from services.admin.usecases.first_start import new_secret
from services.model.errors import NotFound


class RotateSystemSecret:
    """The old secret lets nobody in any more; tokens that it has obtained live on to their end."""

    def __init__(self, *, accounts: AccountStore) -> None:
        self._accounts = accounts

    async def __call__(self) -> tuple[str, str]:
        """Return client id and new secret, which nobody can ask for again. Raises `NotFound`."""
        account = await self._accounts.system()
        if account is None:
            raise NotFound("there is no system account yet: it is made at the first start")
        secret = new_secret()
        await self._accounts.change_secret(account.id, hash_secret(secret), expires_at=None)
        return account.client_id, secret
