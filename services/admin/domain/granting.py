"""What one may do to the accounts of others: nobody grants, or takes over, what he lacks himself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from services.admin.domain.accounts import ServiceAccount
from services.model.errors import Conflict, FieldProblem, Forbidden, ValidationFailed
from services.model.identity import SCOPES, AccountChange, AccountStatus, in_order

ADMINISTERS = frozenset({"admin:read", "admin:write"})
"""What the system account keeps, so that somebody can always administer."""
MAX_DESCRIPTION = 500
"""Characters."""
MAX_LIFETIME = timedelta(days=3650)
"""Of a secret that ends at all."""
MAX_OVERLAP = timedelta(days=30)
"""For which two secrets of one account may be valid."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


def check_name(name: str) -> list[FieldProblem]:
    """What is wrong with the name of a new account: it becomes a part of its client id."""
    if _NAME.fullmatch(name):
        return []
    rule = "must have 1 to 64 characters: a-z, 0-9 and, not at its ends, hyphen or underscore"
    return [FieldProblem("name", rule)]


def check_description(text: str) -> list[FieldProblem]:
    """What is wrong with a description."""
    if len(text) <= MAX_DESCRIPTION and "\0" not in text:
        return []
    return [FieldProblem("description", f"must have at most {MAX_DESCRIPTION} characters, none of them NUL")]


def check_scopes(scopes: Iterable[str]) -> list[FieldProblem]:
    """What is wrong with the scopes of an account."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        return [FieldProblem("scopes", f"{unknown[0][:50]!r} is not one of {', '.join(SCOPES)}")]
    return [] if set(scopes) else [FieldProblem("scopes", "must name at least one")]


def check_lifetime(lifetime: timedelta | None, field: str, longest: timedelta) -> list[FieldProblem]:
    """What is wrong with a length of time that is given (None: it is not)."""
    if lifetime is None or timedelta(0) <= lifetime <= longest:
        return []
    return [FieldProblem(field, f"must be between 0 and {longest.days} days")]


def require_power_over(granter: frozenset[str], scopes: Iterable[str]) -> None:
    """Raise `Forbidden` unless whoever has `granter` may give out, or act on, `scopes`."""
    lacking = in_order(frozenset(scopes) - granter)
    if lacking:
        raise Forbidden(f"nobody gives out or takes over what he lacks himself: {', '.join(lacking)}")


def changed(account: ServiceAccount, change: AccountChange, *, granter: frozenset[str]) -> ServiceAccount:
    """The account after `change`, which has been checked. Raises `Forbidden`, `Conflict`."""
    scopes = account.scopes if change.scopes is None else in_order(change.scopes)
    status = change.status or account.status
    if account.is_system:
        _keep_system(scopes, status)
    if change.scopes is not None:
        require_power_over(granter, set(scopes) - set(account.scopes))
    if status is AccountStatus.ACTIVE and account.status is not status:
        require_power_over(granter, scopes)
    description = account.description if change.description is None else change.description
    return replace(account, scopes=scopes, status=status, description=description)


def rotated(
    account: ServiceAccount,
    secret_sha256: bytes,
    *,
    now: datetime,
    lifetime: timedelta,
    overlap: timedelta,
    granter: frozenset[str],
) -> ServiceAccount:
    """The account with a new secret, and the present one valid for `overlap` more, but not beyond its own end.

    `lifetime` 0: the new one never ends. Raises `Forbidden`, `ValidationFailed`.
    """
    require_power_over(granter, account.scopes)
    if account.is_system and lifetime:
        raise ValidationFailed.of("secret_ttl_days", "the secret of the system account never expires: it must be 0")
    until = now + overlap
    if account.secret_expires_at is not None:
        until = min(until, account.secret_expires_at)
    kept = until > now
    return replace(
        account,
        secret_sha256=secret_sha256,
        secret_expires_at=now + lifetime if lifetime else None,
        previous_secret_sha256=account.secret_sha256 if kept else None,
        previous_secret_valid_until=until if kept else None,
    )


def require_removable(account: ServiceAccount) -> None:
    """Raise `Conflict` for the system account."""
    if account.is_system:
        raise Conflict("the system account cannot be deleted")


def _keep_system(scopes: tuple[str, ...], status: AccountStatus) -> None:
    if status is not AccountStatus.ACTIVE:
        raise Conflict("the system account cannot be disabled")
    if not set(scopes) >= ADMINISTERS:
        raise Conflict(f"the system account keeps {' and '.join(in_order(ADMINISTERS))}")
