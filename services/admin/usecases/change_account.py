"""Change, remove, or give a new secret to a service account."""

from __future__ import annotations

from datetime import timedelta

from services.admin.domain.accounts import ServiceAccount, hash_secret
from services.admin.domain.granting import (
    MAX_LIFETIME,
    MAX_OVERLAP,
    changed,
    check_description,
    check_lifetime,
    check_scopes,
    require_removable,
    rotated,
)
from services.admin.ports import AccountStore
from services.admin.usecases.first_start import new_secret
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import raise_for
from services.model.identity import Account, AccountChange, AccountSecret

log = get_logger(__name__)


class UpdateAccount:
    """Description, scopes, status. What is taken away ends with the tokens issued before; changes end at once."""

    def __init__(self, *, accounts: AccountStore, standing: Standing) -> None:
        self._accounts = accounts
        self._standing = standing

    async def __call__(self, account_id: str, change: AccountChange, *, by: Identity) -> Account:
        """Raises `NotFound`, `ValidationFailed`, `Forbidden`, `Conflict`, `Unauthorized`."""
        granter = await self._standing(by, "admin:write")
        problems = [] if change.scopes is None else check_scopes(change.scopes)
        raise_for(problems + check_description(change.description or ""))
        account = await self._accounts.change(account_id, lambda account: changed(account, change, granter=granter))
        assert account is not None
        log.info(
            "a service account was changed",
            client_id=account.client_id,
            scopes=account.scopes,
            status=account.status,
            by=by.subject,
        )
        return account.shown


class DeleteAccount:
    """It can obtain no token any more."""

    def __init__(self, *, accounts: AccountStore, standing: Standing) -> None:
        self._accounts = accounts
        self._standing = standing

    async def __call__(self, account_id: str, *, by: Identity) -> None:
        """Raises `NotFound`, `Conflict`, `Unauthorized`."""
        await self._standing(by, "admin:write")
        await self._accounts.change(account_id, require_removable)
        log.info("a service account was deleted", account_id=account_id, by=by.subject)


class RotateAccountSecret:
    """The present secret stays valid for a while beside the new one, so that programs can be told in turn."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        standing: Standing,
        clock: Clock,
        lifetime: timedelta,
        overlap: timedelta,
    ) -> None:
        """`lifetime` (0: for ever), `overlap`: where none is asked for."""
        self._accounts = accounts
        self._standing = standing
        self._clock = clock
        self._lifetime = lifetime
        self._overlap = overlap

    async def __call__(
        self, account_id: str, lifetime: timedelta | None, overlap: timedelta | None, *, by: Identity
    ) -> AccountSecret:
        """Raises `NotFound`, `ValidationFailed`, `Forbidden`, `Unauthorized`. None: as the installation has it.

        Of the system account the installation has: for ever, and no overlap.
        """
        granter = await self._standing(by, "admin:write")
        problems = check_lifetime(lifetime, "secret_ttl_days", MAX_LIFETIME)
        raise_for(problems + check_lifetime(overlap, "overlap_seconds", MAX_OVERLAP))
        secret = new_secret()

        def decide(account: ServiceAccount) -> ServiceAccount:
            usual = timedelta(0) if account.is_system else self._lifetime
            together = timedelta(0) if account.is_system else self._overlap
            return rotated(
                account,
                hash_secret(secret),
                now=self._clock.now(),
                lifetime=usual if lifetime is None else lifetime,
                overlap=together if overlap is None else overlap,
                granter=granter,
            )

        account = await self._accounts.change(account_id, decide)
        assert account is not None
        log.info("a service account has a new secret", client_id=account.client_id, by=by.subject)
        return AccountSecret(account.shown, secret)
