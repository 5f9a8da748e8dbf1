"""Give out access tokens (RFC 6749, RFC 9068)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.oauth import OAuthRefused, TokenRequest, read_token_request, target_unknown
from services.admin.ports import AccountStore, ElementStore
from services.admin.usecases.access_tokens import AccessTokens, Signer
from services.admin.usecases.oauth_server import Granted, grant
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import element_audience
from services.model.errors import ServiceUnavailable
from services.model.identity import AccountStatus
from services.model.ids import StorageId

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: each note costs a write."""

log = get_logger(__name__)

NOBODY = ServiceAccount(
    id="",
    client_id="",
    name="",
    secret_sha256=secrets.token_bytes(32),
    scopes=(),
    created_at=datetime.fromtimestamp(0, UTC),
    status=AccountStatus.DISABLED,
)
"""Stands in for a client that does not exist, so that it takes the same way, and time, as a wrong secret."""


class IssueToken:
    """Answers the token endpoint."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        elements: ElementStore,
        tokens: AccessTokens,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._elements = elements
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, form: Mapping[str, str], authorization: str) -> Granted:
        """Return a token. Raises `OAuthRefused`, or `ServiceUnavailable`.

        `form`: the body's fields; `authorization`: the header, empty where there was none.
        """
        request = read_token_request(form, authorization, ours=self._tokens.ours)
        account = await self._accounts.find(request.credentials.client_id) or NOBODY
        sign = aimed(await self._tokens.signer(), request.element, known=await knows(self._elements, request.element))
        now = self._clock.now()
        granted = self._grant(request, account, sign, now)
        await self._note_use(account, now)
        return granted

    def _grant(self, request: TokenRequest, account: ServiceAccount, sign: Signer, now: datetime) -> Granted:
        asking = request.credentials.client_id
        try:
            granted = grant(
                request,
                account,
                now=now,
                lifetime=self._tokens.lifetime,
                sign=lambda account, scope: sign(account.client_id, account.client_id, scope, now),
            )
        except OAuthRefused as refusal:
            log.warning("a token was refused", client_id=asking, error=refusal.error, reason=refusal.description)
            raise
        log.info("a token was issued", client_id=asking, scope=granted.scope, element=request.element)
        return granted

    async def _note_use(self, account: ServiceAccount, now: datetime) -> None:
        """At most once a minute; a token that was granted is given out even where this fails."""
        if account.last_used_at is None or now - account.last_used_at >= USE_NOTED_EVERY:
            try:
                await self._accounts.note_use(account.id, now)
            except ServiceUnavailable:
                log.warning("the use of an account could not be noted", client_id=account.client_id)


async def knows(elements: ElementStore, element: StorageId | None) -> bool:
    """Whether tokens may be given out for it; None: for the services together."""
    return element is None or any(each.info.storage_id == element for each in await elements.all())


def aimed(sign: Signer, element: StorageId | None, *, known: bool) -> Signer:
    """For the one element, where there is one. Signing refuses an unknown one: strangers are refused before that."""
    if element is None:
        return sign

    def sign_for_it(
        subject: str, client_id: str, scope: str, now: datetime, further: Mapping[str, Any] | None = None
    ) -> str:
        if not known:
            raise target_unknown()
        return sign(subject, client_id, scope, now, {**(further or {}), "aud": element_audience(element)})

    return sign_for_it
