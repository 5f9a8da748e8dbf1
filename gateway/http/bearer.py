"""For whom a request is made: the bearer token of its Authorization header, RFC 6750 section 2.1."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request

from services.chassis.caller import Identity
from services.chassis.tokens import REFUSED
from services.model.errors import Unauthorized

_SCHEME = "bearer"


class Verifier(Protocol):
    """Tells whom a token speaks for."""

    async def verify(self, token: str) -> Identity:
        """Raises `Unauthorized`, or `ServiceUnavailable` while no verification key is known."""
        ...


class Bearer:
    """Reads and verifies the token.

    The services verify it again and decide what its holder may do; here it spares a stranger's body the way inside.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(self, request: Request[Any, Any, Any]) -> Identity:
        """The user behind the request. Raises `Unauthorized`, `ServiceUnavailable`."""
        given = request.headers.getall("authorization", [])
        if len(given) != 1:
            raise Unauthorized(REFUSED)
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != _SCHEME:
            raise Unauthorized(REFUSED)
        return await self._verifier.verify(token.strip())
