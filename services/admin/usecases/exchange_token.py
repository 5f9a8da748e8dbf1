"""Exchange tokens (RFC 8693): somebody else's for ours, ours for one that may do less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from services.admin.domain.exchange import (
    ACCESS_TOKEN,
    TOKEN_EXCHANGE,
    ExchangeRequest,
    issuer_of,
    read_exchange_request,
    subject_refused,
)
from services.admin.domain.issuers import TrustedIssuer
from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused
from services.admin.ports import ElementStore
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.issue_token import IssueToken, aimed, knows
from services.admin.usecases.oauth_server import Granted
from services.admin.usecases.standing import Standing
from services.chassis.logs import get_logger
from services.chassis.tokens import TOKEN_TYPE, TokenReader, audiences
from services.model.clock import Clock
from services.model.errors import Unauthorized
from services.model.identity import in_order

FOREIGN_TYPES = (None, "JWT", TOKEN_TYPE, "application/at+jwt")
"""What the header of an issuer's access or ID token may say that it is."""

log = get_logger(__name__)


class TokenEndpoint:
    """One address for both grants."""

    def __init__(self, *, issue: IssueToken, exchange: ExchangeToken) -> None:
        self._issue = issue
        self._exchange = exchange

    async def __call__(self, form: Mapping[str, str], authorization: str) -> Granted:
        """As `IssueToken`."""
        grant = self._exchange if form.get("grant_type") == TOKEN_EXCHANGE else self._issue
        return await grant(form, authorization)


class ExchangeToken:
    """Whoever holds a token may: it is his proof of who he is."""

    def __init__(
        self,
        *,
        issuers: Sequence[tuple[TrustedIssuer, TokenReader]],
        own: TokenReader,
        standing: Standing,
        elements: ElementStore,
        tokens: AccessTokens,
        clock: Clock,
    ) -> None:
        """`own`: reads our tokens; each of `issuers` is read by its own reader."""
        self._issuers = {issuer.issuer: (issuer, reader) for issuer, reader in issuers}
        self._own = own
        self._standing = standing
        self._elements = elements
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, form: Mapping[str, str], authorization: str) -> Granted:
        """Return a token. Raises `OAuthRefused`, or `ServiceUnavailable`."""
        request = read_exchange_request(form, authorization, ours=self._tokens.ours)
        issuer = issuer_of(request.subject_token)
        if issuer == self._tokens.issuer:
            return await self._narrowed(request)
        if issuer not in self._issuers:
            log.warning("a token was not exchanged: nobody trusts its issuer")
            raise subject_refused()
        return await self._foreign(request, *self._issuers[issuer])

    async def _foreign(self, request: ExchangeRequest, issuer: TrustedIssuer, reader: TokenReader) -> Granted:
        claims = await _read(reader, request, lambda claims: _is_for(issuer.audience, claims), issuer.alias)
        subject = issuer.subject(claims)
        if subject is None:
            raise subject_refused()
        scope = _scope(request, issuer.scopes(claims), subject)
        return await self._granted(request, subject, issuer.alias, scope, self._tokens.lifetime)

    async def _narrowed(self, request: ExchangeRequest) -> Granted:
        """For an element, or with fewer scopes; never for longer."""
        claims = await _read(self._own, request, lambda claims: claims.get("aud") == self._tokens.audience, "artstore")
        left = timedelta(seconds=int(claims["exp"] - self._clock.now().timestamp()))
        if left <= timedelta(0):
            raise subject_refused()
        subject = str(claims["sub"])
        granted = frozenset(str(claims.get("scope", "")).split()) & await self._standing.present(subject)
        client, scope = str(claims.get("client_id", subject)), _scope(request, granted, subject)
        return await self._granted(request, subject, client, scope, min(left, self._tokens.lifetime))

    async def _granted(
        self, request: ExchangeRequest, subject: str, client: str, scope: str, lifetime: timedelta
    ) -> Granted:
        known = await knows(self._elements, request.element)
        sign, now = aimed(await self._tokens.signer(), request.element, known=known), self._clock.now()
        token = sign(subject, client, scope, now, {"exp": int((now + lifetime).timestamp())})
        log.info("a token was exchanged", subject=subject, of=client, scope=scope, element=request.element)
        return Granted(token, scope, lifetime, ACCESS_TOKEN)


async def _read(
    reader: TokenReader, request: ExchangeRequest, meant: Callable[[Mapping[str, Any]], bool], of: str
) -> Mapping[str, Any]:
    try:
        claims = await reader.claims(request.subject_token)
    except Unauthorized:
        claims = {}
    # A logout token looks like an ID token, but for this (OpenID Connect Back-Channel Logout section 2.4).
    if not claims or "events" in claims or not meant(claims):
        log.warning("a token was not exchanged: it is not a valid one for us", of=of)
        raise subject_refused()
    return claims


def _is_for(audience: str, claims: Mapping[str, Any]) -> bool:
    return audience in audiences(claims)


def _scope(request: ExchangeRequest, granted: frozenset[str], subject: str) -> str:
    """All that is granted, or exactly what is asked for. Raises `OAuthRefused`."""
    wanted = frozenset(request.scope.split()) if request.scope else granted
    if not wanted or not wanted <= granted:
        log.warning("a token was not exchanged: its subject lacks what is asked for", subject=subject)
        raise OAuthRefused(OAuthErrorCode.INVALID_SCOPE, "the subject of the token does not have what is asked for")
    return " ".join(in_order(wanted))
