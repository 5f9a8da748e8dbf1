"""People's passwords: argon2id, in few threads, since each hash costs memory and time on purpose."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from argon2 import PasswordHasher

WORKERS = 2
"""Hashes at the same time; each takes 64 MiB."""


class Argon2Passwords:
    """`ports.Passwords` by argon2-cffi with its defaults (RFC 9106, low-memory profile)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._hasher.hash, password)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)
