"""What must be there before Admin is of use: a signing key, the system account, a first administrator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.admin.ports import KeysUnreadable
from services.model.errors import ArtStoreError, ServiceUnavailable

RETRY = 0.5
"""Seconds between attempts while the store is away or not migrated yet."""


class Prepare:
    """Takes all steps, again and again until they succeed. Each is repeatable, by any number of replicas."""

    def __init__(self, *steps: Callable[[], Awaitable[None]]) -> None:
        self._steps = steps
        self._done = False

    async def __call__(self) -> None:
        """Return when all is there. Raises `SystemExit` with the reason when it never will be."""
        while not self._done:
            try:
                for step in self._steps:
                    await step()
                self._done = True
            except ServiceUnavailable:
                await asyncio.sleep(RETRY)
            except (KeysUnreadable, ArtStoreError) as error:
                raise SystemExit(f"Cannot start: {error}") from error

    async def check(self) -> None:
        """For readiness: raise `ServiceUnavailable` until all is there."""
        if not self._done:
            raise ServiceUnavailable("waiting for PostgreSQL and its schema")
