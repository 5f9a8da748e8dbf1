"""Who is there after the first start: the system account, and a first administrator."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from uuid import uuid4

from services.admin.domain.accounts import (
    ServiceAccount,
    hash_secret,
)
from services.admin.domain.users import AdminUser, check_username
from services.admin.ports import AccountStore, Passwords, UserStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import Conflict, raise_for
from services.model.identity import SCOPES, UserRole

log = get_logger(__name__)


class EnsureSystemAccount:
    """Make the system account once. It has every scope and never expires."""

    def __init__(self, *, accounts: AccountStore, clock: Clock, show: Callable[[str, str], None]) -> None:
        """`show` is given client id and secret when the secret was made up here: nobody else knows it."""
        self._accounts = accounts
        self._clock = clock
        self._show = show

    async def __call__(self, client_id: str | None, secret: str | None) -> None:
        """Add it unless there is one: an existing one, whose secret may have been rotated, is left alone."""
        present = await self._accounts.system()
        if present is None:
            await self._add(client_id or f"sa_system_{secrets.token_hex(4)}", secret)
        elif client_id not in (None, present.client_id):
            log.warning("the system account keeps its client id", client_id=present.client_id, wanted=client_id)

    async def _add(self, client_id: str, secret: str | None) -> None:
        chosen = secret or new_secret()
        account = ServiceAccount(
            id=str(uuid4()),
            client_id=client_id,
            name="system",
            secret_sha256=hash_secret(chosen),
            scopes=SCOPES,
            created_at=self._clock.now(),
            is_system=True,
        )
        if await self._accounts.add_system(account):
            log.info("the system account was made", client_id=client_id)
            if secret is None:
                self._show(client_id, chosen)


class EnsureFirstAdmin:
    """Make the first administrator while there is no user at all."""

    def __init__(self, *, users: UserStore, accounts: AccountStore, passwords: Passwords, clock: Clock) -> None:
        self._users = users
        self._accounts = accounts
        self._passwords = passwords
        self._clock = clock

    async def __call__(self, username: str | None, password: str | None) -> None:
        """Add him unless there is any user, or none is wanted.

        Raises `ValidationFailed` for a name or password that nobody may have, `Conflict` for the name of an account.
        """
        if not username or not password or await self._users.any():
            return
        raise_for(check_username(username) + self._passwords.problems(password, username, "password"))
        if await self._accounts.find(username):
            raise Conflict("the first administrator cannot have the client id of a service account as his name")
        user = AdminUser(
            id=str(uuid4()),
            username=username,
            password_hash=await self._passwords.hash(password),
            role=UserRole.ADMIN,
            created_at=self._clock.now(),
        )
        if await self._users.add_first(user):
            log.info("the first administrator was made", username=username)


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)
