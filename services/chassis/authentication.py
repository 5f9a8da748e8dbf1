"""How a server learns on whose behalf a call is made."""

from __future__ import annotations

from typing import Protocol

from services.chassis.caller import ON_BEHALF_OF, Identity, read_on_behalf_of
from services.chassis.tokens import REFUSED, TokenVerifier
from services.model.errors import Unauthorized
from services.model.ids import StorageId

BEARER = "bearer "


class Authenticator(Protocol):
    """Finds the user behind a call."""

    async def identify(self, metadata: dict[str, str], module: str, storage_id: StorageId | None) -> Identity | None:
        """The user, or None when the call names none. Raises `Unauthorized` when it names one wrongly.

        `metadata`: the call's text metadata; `module`, `storage_id`: of the verified caller's certificate.
        """
        ...


class BearerAuthenticator:
    """By the access token: admin, ingester, query."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def identify(
        self,
        metadata: dict[str, str],
        module: str,  # noqa: ARG002 - the port names it
        storage_id: StorageId | None,  # noqa: ARG002 - as above
    ) -> Identity | None:
        header = metadata.get("authorization")
        if header is None:
            return None
        if header[: len(BEARER)].lower() != BEARER:
            raise Unauthorized(REFUSED)
        return await self._verifier.verify(header[len(BEARER) :].strip())


class OnBehalfOfAuthenticator:
    """By the word of a trusted module, or by a bearer for this very element.

    Elements must never hold a token that counts anywhere else, so they take no other one.
    """

    def __init__(
        self, trusted: frozenset[str], *, own: StorageId | None = None, bearers: TokenVerifier | None = None
    ) -> None:
        """`own`: of elements, only its replicas are trusted. `bearers`: of tokens for this element; None: of none."""
        self._trusted = trusted
        self._own = own
        self._bearer = BearerAuthenticator(bearers) if bearers else None

    async def identify(self, metadata: dict[str, str], module: str, storage_id: StorageId | None) -> Identity | None:
        text = metadata.get(ON_BEHALF_OF)
        if text is None:
            return await self._by_bearer(metadata, module, storage_id)
        if "authorization" in metadata:
            raise Unauthorized("a call is made by a token or on behalf of a user, not both")
        if module not in self._trusted or (storage_id is not None and storage_id != self._own):
            raise Unauthorized(f"a caller with the certificate of {module} may not speak for users")
        return read_on_behalf_of(text)

    async def _by_bearer(self, metadata: dict[str, str], module: str, storage_id: StorageId | None) -> Identity | None:
        if self._bearer is None and "authorization" in metadata:
            raise Unauthorized("this element takes no tokens: it does not know the keys that sign them")
        return await self._bearer.identify(metadata, module, storage_id) if self._bearer else None
