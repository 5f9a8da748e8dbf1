"""How a server learns on whose behalf a call is made."""

from __future__ import annotations

from typing import Protocol

from services.chassis.caller import ON_BEHALF_OF, Identity, read_on_behalf_of
from services.chassis.tokens import TokenVerifier
from services.model.errors import Unauthorized

BEARER = "bearer "


class Authenticator(Protocol):
    """Finds the user behind a call."""

    async def identify(self, metadata: dict[str, str], module: str) -> Identity | None:
        """The user, or None when the call names none. Raises `Unauthorized` when it names one wrongly.

        `metadata`: the call's text metadata; `module`: of the verified caller's certificate.
        """
        ...


class BearerAuthenticator:
    """By the access token: admin, ingester, query."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def identify(self, metadata: dict[str, str], module: str) -> Identity | None:  # noqa: ARG002 - the port names it
        header = metadata.get("authorization")
        if header is None:
            return None
        if header[: len(BEARER)].lower() != BEARER:
            raise Unauthorized("the authorization must be a bearer token")
        return await self._verifier.verify(header[len(BEARER) :].strip())


class OnBehalfOfAuthenticator:
    """By the word of a trusted module: elements, which must never hold a user's token."""

    def __init__(self, trusted: frozenset[str]) -> None:
        self._trusted = trusted

    async def identify(self, metadata: dict[str, str], module: str) -> Identity | None:
        text = metadata.get(ON_BEHALF_OF)
        if text is None:
            return None
        if module not in self._trusted:
            raise Unauthorized(f"a caller with the certificate of {module} may not speak for users")
        return read_on_behalf_of(text)
