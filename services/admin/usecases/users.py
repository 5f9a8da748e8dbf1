"""People: shown, made, changed, removed."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from services.admin.domain.granting import require_power_over
from services.admin.domain.places import Place, page_of, read_place
from services.admin.domain.users import (
    SCOPES_OF,
    AdminUser,
    changed,
    check_texts,
    check_username,
    require_another,
)
from services.admin.ports import AccountStore, LoginGuard, Passwords, UserStore
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import Conflict, FieldProblem, NotFound, raise_for
from services.model.identity import User, UserChange, UserRole, UserStatus
from services.model.paging import Page, PageRequest

UNKNOWN = "there is no such user"

log = get_logger(__name__)


class ListUsers:
    """A page of users, by name."""

    def __init__(self, *, users: UserStore, clock: Clock) -> None:
        self._users = users
        self._clock = clock

    async def __call__(self, asked: PageRequest) -> Page[User]:
        """Raises `ValidationFailed` for a cursor that no listing gave out."""
        after = read_place(asked.cursor)
        rows, total = await self._users.page(limit=asked.limit + 1, offset=asked.offset, after=after)
        page = page_of(rows, total, asked, lambda user: Place(user.username, user.id))
        now = self._clock.now()
        shown = [user.shown(now) for user in page.items]
        return Page(shown, total, has_more=page.has_more, next_cursor=page.next_cursor)


class GetUser:
    """One user."""

    def __init__(self, *, users: UserStore, clock: Clock) -> None:
        self._users = users
        self._clock = clock

    async def __call__(self, user_id: str) -> User:
        """Raises `NotFound`."""
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound(UNKNOWN)
        return user.shown(self._clock.now())


class CreateUser:
    """Make a user."""

    def __init__(
        self,
        *,
        users: UserStore,
        accounts: AccountStore,
        standing: Standing,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._users = users
        self._accounts = accounts
        self._standing = standing
        self._passwords = passwords
        self._clock = clock

    async def __call__(
        self, username: str, password: str, role: UserRole, full_name: str, email: str, *, by: Identity
    ) -> User:
        """Raises `ValidationFailed`, `Conflict`, `Forbidden`, `Unauthorized`, `RateLimited`."""
        granter = await self._standing(by, "admin:write")
        problems = check_username(username) + self._passwords.problems(password, username, "password")
        raise_for(problems + check_texts(full_name, email))
        require_power_over(granter, SCOPES_OF[role])
        if await self._accounts.find(username):
            raise Conflict("this name is a service account's client id")
        self._passwords.require_room()
        now = self._clock.now()
        hashed = await self._passwords.hash(password)
        user = AdminUser(str(uuid4()), username, hashed, role, now, full_name=full_name, email=email)
        await self._users.add(user)
        log.info("a user was made", username=username, role=role, by=by.subject)
        return user.shown(now)


class UpdateUser:
    """Role, status, what is known of him."""

    def __init__(self, *, users: UserStore, standing: Standing, clock: Clock) -> None:
        self._users = users
        self._standing = standing
        self._clock = clock

    async def __call__(self, user_id: str, change: UserChange, *, by: Identity) -> User:
        """Raises `NotFound`, `ValidationFailed`, `Conflict` for the last administrator, `Forbidden`, `Unauthorized`."""
        granter = await self._standing(by, "admin:write")
        raise_for(_status_problems(change) + check_texts(change.full_name or "", change.email or ""))
        user = await self._users.change(
            user_id, lambda user, others: changed(user, change, others=others, granter=granter)
        )
        assert user is not None
        log.info("a user was changed", username=user.username, role=user.role, status=user.status, by=by.subject)
        return user.shown(self._clock.now())


class DeleteUser:
    """Remove a user, with his sessions."""

    def __init__(self, *, users: UserStore, standing: Standing) -> None:
        self._users = users
        self._standing = standing

    async def __call__(self, user_id: str, *, by: Identity) -> None:
        """Raises `NotFound`, `Conflict` for the last administrator, `Unauthorized`."""
        await self._standing(by, "admin:write")
        await self._users.change(user_id, require_another)
        log.info("a user was deleted", user_id=user_id, by=by.subject)


class ResetPassword:
    """Give somebody another password; his sessions end, and so does a lock."""

    def __init__(self, *, users: UserStore, guard: LoginGuard, standing: Standing, passwords: Passwords) -> None:
        self._users = users
        self._guard = guard
        self._standing = standing
        self._passwords = passwords

    async def __call__(self, user_id: str, password: str, *, by: Identity) -> None:
        """Raises `NotFound`, `ValidationFailed`, `Forbidden`, `Unauthorized`, `RateLimited`."""
        granter = await self._standing(by, "admin:write")
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound(UNKNOWN)
        raise_for(self._passwords.problems(password, user.username, "new_password"))
        self._passwords.require_room()
        hashed = await self._passwords.hash(password)

        def decide(user: AdminUser, _: int) -> AdminUser:
            require_power_over(granter, SCOPES_OF[user.role])
            return replace(user, password_hash=hashed)

        await self._users.change(user_id, decide)
        await self._guard.forgive(user.username.lower())
        log.info("a password was reset", username=user.username, by=by.subject)


class UnlockUser:
    """Let somebody try again."""

    def __init__(self, *, users: UserStore, guard: LoginGuard, standing: Standing, clock: Clock) -> None:
        self._users = users
        self._guard = guard
        self._standing = standing
        self._clock = clock

    async def __call__(self, user_id: str, *, by: Identity) -> User:
        """Raises `NotFound`, `Unauthorized`."""
        await self._standing(by, "admin:write")
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound(UNKNOWN)
        await self._guard.forgive(user.username.lower())
        log.info("a user was unlocked", username=user.username, by=by.subject)
        return replace(user, locked_until=None).shown(self._clock.now())


def _status_problems(change: UserChange) -> list[FieldProblem]:
    if change.status is UserStatus.LOCKED:
        return [FieldProblem("status", "must be active or disabled: only failed logins lock")]
    return []
