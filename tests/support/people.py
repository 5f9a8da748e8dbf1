"""Admin's use cases about people, around stores in memory."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from services.admin.domain.passwords import problems
from services.admin.domain.users import AdminUser
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.check_password import CheckPassword
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.own_account import ChangePassword, GetSelf
from services.admin.usecases.passwords import common
from services.admin.usecases.second_factor import SpendCode
from services.admin.usecases.sessions import Login, Logout, PruneSessions, Refresh
from services.admin.usecases.standing import Standing
from services.admin.usecases.users import CreateUser, DeleteUser, ResetPassword, UnlockUser, UpdateUser
from services.chassis.caller import Identity
from services.model.errors import RateLimited, Unauthorized
from services.model.identity import SCOPES, Session, UserRole
from services.model.ids import Subject
from tests.doubles.admin_stores import (
    MemoryAccounts,
    MemoryKeys,
    MemoryLoginGuard,
    MemorySecondFactors,
    MemorySessions,
    MemoryUsers,
)
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, account

PASSWORD = "correct horse battery"
LOCK = timedelta(minutes=15)
WEEK = timedelta(days=7)


class PlainPasswords:
    """Fills `ports.Passwords` without the work; counts what was looked at."""

    def __init__(self) -> None:
        self.looked: list[str | None] = []
        self.full = False

    def problems(self, password: str, username: str, field: str) -> list[Any]:
        return problems(password, username, field, common())

    def require_room(self) -> None:
        if self.full:
            raise RateLimited("full")

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, kept: str | None, password: str) -> bool:
        self.looked.append(kept)
        await asyncio.sleep(0)
        return kept == f"hash of {password}"


class House:
    """Everything about people, around stores in memory; Anna administers, Ivan reads."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.guard, self.sessions = MemoryLoginGuard(), MemorySessions()
        self.users = MemoryUsers(self.sessions, self.guard)
        self.factors = MemorySecondFactors(self.users, self.sessions)
        self.accounts = MemoryAccounts(account(client_id="sa_boss"), account(client_id="sa_less", scopes=SCOPES[4:]))
        self.passwords = PlainPasswords()
        self.ring = KeyRing(keys=MemoryKeys(), clock=self.clock)
        tokens = AccessTokens(keys=self.ring, issuer="https://i", audience="artstore", lifetime=timedelta(minutes=30))
        standing = Standing(accounts=self.accounts, users=self.users)
        self.check = CheckPassword(
            users=self.users,
            spend_code=SpendCode(factors=self.factors, clock=self.clock),
            guard=self.guard,
            passwords=self.passwords,
            clock=self.clock,
            limit=5,
            lock=LOCK,
        )
        shared: dict[str, Any] = {"users": self.users, "sessions": self.sessions, "tokens": tokens, "clock": self.clock}
        self.login = Login(check=self.check, lifetime=WEEK, **shared)
        self.refresh = Refresh(lifetime=WEEK, **shared)
        self.logout = Logout(sessions=self.sessions)
        self.prune = PruneSessions(sessions=self.sessions, guard=self.guard, clock=self.clock, lock=LOCK)
        self.create = CreateUser(
            users=self.users, accounts=self.accounts, standing=standing, passwords=self.passwords, clock=self.clock
        )
        self.update = UpdateUser(users=self.users, standing=standing, clock=self.clock)
        self.delete = DeleteUser(users=self.users, standing=standing)
        self.reset = ResetPassword(users=self.users, guard=self.guard, standing=standing, passwords=self.passwords)
        self.unlock = UnlockUser(users=self.users, guard=self.guard, standing=standing, clock=self.clock)
        self.get_self = GetSelf(users=self.users, accounts=self.accounts, clock=self.clock)
        self.change_password = ChangePassword(
            users=self.users, accounts=self.accounts, check=self.check, passwords=self.passwords
        )
        self.boss = Identity(Subject("sa_boss"), frozenset(SCOPES), "token")
        self.less = Identity(Subject("sa_less"), frozenset(SCOPES[4:]), "token")
        self.anna = person("anna")
        self.ivan = person("ivan", UserRole.READONLY)
        self.users.users = [self.anna, self.ivan]

    def identity(self, user: AdminUser) -> Identity:
        return Identity(Subject(user.username), frozenset(user.scopes), "token")

    async def fails(self, times: int, name: str = "anna") -> None:
        for _ in range(times):
            with pytest.raises(Unauthorized):
                await self.login(name, "wrong password")


def person(name: str, role: UserRole = UserRole.ADMIN) -> AdminUser:
    ident = f"0198c0de-0000-7000-8000-{abs(hash(name)) % 10**12:012}"
    return AdminUser(ident, name, f"hash of {PASSWORD}", role, NOW)


async def claims(house: House, session: Session) -> dict[str, Any]:
    keys = KeySet.import_key_set(await house.ring.jwks())  # type: ignore[arg-type]
    return dict(jwt.decode(session.access_token, keys, algorithms=["RS256"]).claims)
