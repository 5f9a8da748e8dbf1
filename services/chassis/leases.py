"""Work that one replica does at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from services.model.errors import ServiceUnavailable


class Leases(Protocol):
    """Gives leases; a store implements it."""

    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Inside the block: True if we hold the lease of that name, False if somebody else does.

        It ends with the block, and with us, whatever way. Raises `ServiceUnavailable`.
        """
        ...


def alone(
    leases: Leases, name: str, one_pass: Callable[[], Awaitable[object]]
) -> Callable[[], Coroutine[Any, Any, None]]:
    """`one_pass`, done only where no other replica does it at the same time.

    While the store is away, which tells by itself, nothing is done.
    """

    async def guarded() -> None:
        with contextlib.suppress(ServiceUnavailable):
            async with leases.hold(name) as held:
                if held:
                    await one_pass()

    return guarded
