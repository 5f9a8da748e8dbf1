"""Whether whoever asks for a change may still do so: a token outlives the rights that it was issued for."""

from __future__ import annotations

from collections.abc import Sequence

from services.admin.domain.issuers import TrustedIssuer
from services.admin.ports import AccountStore, UserStore
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.errors import Unauthorized
from services.model.identity import AccountStatus

GONE = "the account behind this token is disabled or gone"

log = get_logger(__name__)


class Standing:
    """Looks the subject of a token up as it is now."""

    def __init__(self, *, accounts: AccountStore, users: UserStore, issuers: Sequence[TrustedIssuer] = ()) -> None:
        self._accounts = accounts
        self._users = users
        self._issuers = {issuer.alias: issuer.most for issuer in issuers}

    async def __call__(self, identity: Identity, *needed: str) -> frozenset[str]:
        """The scopes that both the token and the present account have.

        `needed`: raises `Unauthorized` unless they are among them, as for one that is disabled or gone; one text for
        all, since the way out is the same: a new token.
        """
        present = await self.present(identity.subject)
        scopes = identity.scopes & present
        if not present or not scopes.issuperset(needed):
            log.warning("a change was refused: the account has lost its rights", subject=identity.subject)
            raise Unauthorized(GONE)
        return scopes

    async def present(self, subject: str) -> frozenset[str]:
        """What whoever has that name may do now; nothing if he is disabled or gone."""
        account = await self._accounts.find(subject)
        if account is not None:
            return frozenset(account.scopes if account.status is AccountStatus.ACTIVE else ())
        user = await self._users.find(subject)
        if user is not None:
            return frozenset(user.scopes if user.username == subject else ())
        # Whom an issuer vouched for is not known here: as long as the issuer is trusted, his token says what he may do.
        alias, colon, _ = subject.partition(":")
        return self._issuers.get(alias, frozenset()) if colon else frozenset()
