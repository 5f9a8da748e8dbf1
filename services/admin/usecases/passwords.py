"""People's passwords: argon2id, in few threads, since each hash costs memory and time on purpose."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.admin.domain import passwords as policy
from services.model.errors import FieldProblem, RateLimited

WORKERS = 2
"""Hashes at the same time; each takes 64 MiB."""
MOST_WAITING = 32
"""Passwords that wait for a worker; more are refused, so that guessing cannot pile work up."""

Result = TypeVar("Result")


class Argon2Passwords:
    """`ports.Passwords` by argon2-cffi with its defaults (RFC 9106, low-memory profile)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="argon2")
        self._under_way = 0
        self._nobodys = ""

    def problems(self, password: str, username: str, field: str) -> list[FieldProblem]:
        return policy.problems(password, username, field, common())

    def require_room(self) -> None:
        if self._under_way >= WORKERS + MOST_WAITING:
            raise RateLimited("too many people log in at the moment; try again", retry_after=2)

    async def hash(self, password: str) -> str:
        return await self._work(lambda: self._hasher.hash(password))

    async def verify(self, kept: str | None, password: str) -> bool:
        same = await self._work(lambda: self._same(kept or self._nobodys, password))
        return same and kept is not None

    def _same(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, work: Callable[[], Result]) -> Result:
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        finally:
            self._under_way -= 1

    async def __aenter__(self) -> Self:
        # Made beforehand: the first stranger must not wait longer than the first acquaintance.
        self._nobodys = await self.hash(secrets.token_urlsafe(32))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)


@cache
def common() -> frozenset[str]:
    """The 30,000 passwords that leak most often, in lower case. A few MiB, read when first asked for."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
