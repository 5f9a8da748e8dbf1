"""What everybody may ask and do about himself."""

from __future__ import annotations

from dataclasses import replace

from services.admin.domain.users import AdminUser
from services.admin.ports import AccountStore, Passwords, UserStore
from services.admin.usecases.check_password import CheckPassword
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import Conflict, Forbidden, raise_for
from services.model.identity import Self, in_order

log = get_logger(__name__)


class GetSelf:
    """Who is behind the token."""

    def __init__(self, *, users: UserStore, accounts: AccountStore, clock: Clock) -> None:
        self._users = users
        self._accounts = accounts
        self._clock = clock

    async def __call__(self, identity: Identity) -> Self:
        """The person where it is one, and still there."""
        account = await self._accounts.find(identity.subject)
        user = await self._users.find(identity.subject) if account is None else None
        shown = user.shown(self._clock.now()) if user else None
        return Self(identity.subject, in_order(identity.scopes), shown)


class ChangePassword:
    """One's own; every session ends, this one too."""

    def __init__(self, *, users: UserStore, accounts: AccountStore, check: CheckPassword, passwords: Passwords) -> None:
        self._users = users
        self._accounts = accounts
        self._check = check
        self._passwords = passwords

    async def __call__(self, current: str, new: str, *, by: Identity) -> None:
        """Raises `ValidationFailed`, `Unauthorized`, `AccountLocked`, `RateLimited`, `Forbidden` for an account.

        `Conflict` where somebody else has changed it since it was looked at.
        """
        if await self._accounts.find(by.subject):
            raise Forbidden("a service account has no password; its secret is rotated")
        if await self._users.find(by.subject) is None:
            raise Forbidden("there is no password of yours here")
        raise_for(self._passwords.problems(new, by.subject, "new_password"))
        user = await self._check(by.subject, current)
        hashed = await self._passwords.hash(new)

        def changed(present: AdminUser, _: object) -> AdminUser:
            if present.password_hash != user.password_hash:
                raise Conflict("the password was changed by somebody else meanwhile")
            return replace(present, password_hash=hashed)

        await self._users.change(user.id, changed)
        log.info("a user changed his password", username=user.username)
