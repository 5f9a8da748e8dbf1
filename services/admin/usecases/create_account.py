"""Make a service account."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from services.admin.domain.accounts import ServiceAccount, hash_secret
from services.admin.domain.granting import (
    MAX_LIFETIME,
    check_description,
    check_lifetime,
    check_name,
    check_scopes,
    require_power_over,
)
from services.admin.ports import AccountStore
from services.admin.usecases.first_start import new_secret
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import raise_for
from services.model.identity import AccountSecret, in_order

log = get_logger(__name__)


class CreateAccount:
    """Its secret is in the answer and nowhere else: only a hash is kept."""

    def __init__(self, *, accounts: AccountStore, standing: Standing, clock: Clock, lifetime: timedelta) -> None:
        """`lifetime`: of a secret for which none is asked; 0: for ever."""
        self._accounts = accounts
        self._standing = standing
        self._clock = clock
        self._lifetime = lifetime

    async def __call__(
        self, name: str, scopes: Sequence[str], description: str, lifetime: timedelta | None, *, by: Identity
    ) -> AccountSecret:
        """Raises `ValidationFailed`, `Forbidden`, `Unauthorized`. `lifetime` None: as the installation has it."""
        granter = await self._standing(by, "admin:write")
        problems = check_name(name) + check_scopes(scopes) + check_description(description)
        raise_for(problems + check_lifetime(lifetime, "secret_ttl_days", MAX_LIFETIME))
        require_power_over(granter, scopes)
        now, secret = self._clock.now(), new_secret()
        valid = self._lifetime if lifetime is None else lifetime
        account = ServiceAccount(
            id=str(uuid4()),
            client_id=f"sa_{name}_{secrets.token_hex(4)}",
            name=name,
            secret_sha256=hash_secret(secret),
            scopes=in_order(scopes),
            created_at=now,
            secret_expires_at=now + valid if valid else None,
            description=description,
        )
        await self._accounts.add(account)
        log.info("a service account was made", client_id=account.client_id, scopes=account.scopes, by=by.subject)
        return AccountSecret(account.shown, secret)
