"""What becomes of a token after it was given out: revoked (RFC 7009), asked about (RFC 7662)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.admin.domain.accounts import hash_secret
from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused
from services.admin.ports import SessionStore, UserStore
from services.admin.usecases.sessions import CLIENT
from services.admin.usecases.standing import Standing
from services.chassis.logs import get_logger
from services.chassis.tokens import TokenReader, audiences
from services.model.clock import Clock
from services.model.errors import Unauthorized
from services.model.identity import TokenState

INACTIVE = TokenState(active=False)

log = get_logger(__name__)


class RevokeToken:
    """End the session of a refresh token. Whoever holds it may: sessions belong to people, who have no client."""

    def __init__(self, *, sessions: SessionStore, reader: TokenReader) -> None:
        self._sessions = sessions
        self._reader = reader

    async def __call__(self, form: Mapping[str, str]) -> None:
        """A token that is not known is no error, as RFC 7009 section 2.2 has it. Raises `OAuthRefused`.

        `token_type_hint` is not needed: the two kinds cannot be taken for each other.
        """
        token = form.get("token", "")
        if not token:
            raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "token is missing")
        if await self._sessions.end(hash_secret(token)):
            log.info("a session was ended by revocation")
        elif await _claims(self._reader, token) is not None:
            raise OAuthRefused(
                OAuthErrorCode.UNSUPPORTED_TOKEN_TYPE,
                "an access token cannot be revoked: it ends by itself; disable whoever it speaks for",
            )


class IntrospectToken:
    """Tell an operator about a token."""

    def __init__(
        self, *, sessions: SessionStore, users: UserStore, standing: Standing, reader: TokenReader, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._standing = standing
        self._reader = reader
        self._clock = clock

    async def __call__(self, token: str) -> TokenState:
        """A token that is no longer, or never was, one of ours is just not active."""
        claims = await _claims(self._reader, token)
        return await self._refresh(token) if claims is None else await self._access(claims)

    async def _access(self, claims: Mapping[str, Any]) -> TokenState:
        return TokenState(
            active=True,
            token_type="Bearer",  # noqa: S106 - RFC 6750's name for the kind of token
            scope=str(claims.get("scope", "")),
            client_id=str(claims.get("client_id", "")),
            subject=claims["sub"],
            audiences=tuple(map(str, audiences(claims))),
            issuer=claims["iss"],
            token_id=str(claims.get("jti", "")),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            subject_active=bool(await self._standing.present(claims["sub"])),
        )

    async def _refresh(self, token: str) -> TokenState:
        found = await self._sessions.find(hash_secret(token), self._clock.now())
        user = await self._users.get(found[0]) if found else None
        if found is None or user is None or not user.scopes:
            return INACTIVE
        return TokenState(
            active=True,
            token_type="refresh_token",  # noqa: S106 - a word of RFC 7009
            scope=" ".join(user.scopes),
            client_id=CLIENT,
            subject=user.username,
            expires_at=found[1],
            subject_active=True,
        )


async def _claims(reader: TokenReader, token: str) -> dict[str, Any] | None:
    """Of an access token of ours, whomever it is for."""
    try:
        return await reader.claims(token)
    except Unauthorized:
        return None
