"""The second factor of people who log in: set up, asked for, taken away."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from services.admin.domain.accounts import hash_secret
from services.admin.domain.granting import require_power_over
from services.admin.domain.second_factor import (
    DIGITS,
    RECOVERY_CODES,
    STEP,
    Factor,
    is_recovery,
    is_totp,
    steps_around,
    typed,
    written,
)
from services.admin.domain.users import SCOPES_OF, AdminUser
from services.admin.ports import AccountStore, SecondFactors, UserStore
from services.admin.usecases.check_password import CheckPassword
from services.admin.usecases.standing import GONE, Standing
from services.admin.usecases.users import UNKNOWN
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import Conflict, Forbidden, NotFound, Unauthorized, ValidationFailed
from services.model.identity import Enrolment, User

ENABLED = "the second factor is enabled already; disable it first"
NOT_ENABLED = "the second factor is not enabled"
SECRET_BYTES = 20
"""RFC 4226 section 4, R6."""

log = get_logger(__name__)


class Person:
    """Finds the person behind a token: only people have passwords and second factors."""

    def __init__(self, *, users: UserStore, accounts: AccountStore) -> None:
        self._users = users
        self._accounts = accounts

    async def __call__(self, identity: Identity, current_password: str | None = None) -> AdminUser:
        """Raises `Forbidden` for anything else, `ValidationFailed` where a password is needed and empty.

        `Unauthorized` for who was disabled meanwhile.
        """
        user = None if await self._accounts.find(identity.subject) else await self._users.find(identity.subject)
        if user is None:
            raise Forbidden("only people who log in with a password have a second factor")
        if not user.scopes:
            raise Unauthorized(GONE)
        if current_password == "":
            raise ValidationFailed.of("current_password", "must be given")
        return user


class EnrolTotp:
    """Begin: a secret for the device. It counts for nothing until a code of it was shown."""

    def __init__(
        self, *, person: Person, check: CheckPassword, factors: SecondFactors, clock: Clock, issuer: str
    ) -> None:
        """`issuer`: the public address, by which a device tells installations apart."""
        self._person = person
        self._check = check
        self._factors = factors
        self._clock = clock
        self._place = f"ArtStore ({urlsplit(issuer).netloc or issuer})"

    async def __call__(self, current_password: str, *, by: Identity) -> Enrolment:
        """Raises `Forbidden`, `Conflict`, `ValidationFailed`, `Unauthorized`, `AccountLocked`, `RateLimited`."""
        user = await self._person(by, current_password)
        if user.totp_enabled:
            raise Conflict(ENABLED)
        user = await self._check(user.username, current_password)
        secret = secrets.token_bytes(SECRET_BYTES)
        if not await self._factors.enrol(user.id, Factor(secret, self._clock.now(), confirmed=False)):
            raise Conflict(ENABLED)
        log.info("a second factor was begun", username=user.username)
        uri = _totp(secret).get_provisioning_uri(user.username, self._place)
        return Enrolment(base64.b32encode(secret).decode(), uri)


class ConfirmTotp:
    """The device works: from now on a login needs it. Every session ends, since they began without."""

    def __init__(self, *, person: Person, factors: SecondFactors, clock: Clock) -> None:
        self._person = person
        self._factors = factors
        self._clock = clock

    async def __call__(self, code: str, *, by: Identity) -> list[str]:
        """The recovery codes. Raises `Forbidden`, `ValidationFailed`, `Conflict`."""
        user = await self._person(by)
        if not is_totp(typed(code)):
            raise ValidationFailed.of("totp", f"must have {DIGITS} digits")
        factor = await self._factors.find(user.id)
        if factor is None:
            raise Conflict("there is no second factor to confirm")
        step = matching_step(factor.secret, typed(code), self._clock.now())
        if step is None:
            raise ValidationFailed.of("totp", "is not the code that counts now")
        codes = new_codes()
        if factor.confirmed or not await self._factors.confirm(user.id, factor, step, hashed(codes), self._clock.now()):
            raise Conflict(ENABLED)
        log.info("a second factor was enabled", username=user.username)
        return [written(each) for each in codes]


class ReplaceRecoveryCodes:
    """New ones; the old ones count no more."""

    def __init__(self, *, person: Person, check: CheckPassword, factors: SecondFactors) -> None:
        self._person = person
        self._check = check
        self._factors = factors

    async def __call__(self, current_password: str, code: str, *, by: Identity) -> list[str]:
        """Raises `Forbidden`, `Conflict`, `ValidationFailed`, `Unauthorized`, `AccountLocked`, `RateLimited`."""
        user = await proved(self._person, self._check, current_password, code, by)
        codes = new_codes()
        await self._factors.replace_codes(user.id, hashed(codes))
        log.info("recovery codes were replaced", username=user.username)
        return [written(each) for each in codes]


class DisableTotp:
    """From now on a password is enough; every session ends."""

    def __init__(self, *, person: Person, check: CheckPassword, factors: SecondFactors) -> None:
        self._person = person
        self._check = check
        self._factors = factors

    async def __call__(self, current_password: str, code: str, *, by: Identity) -> None:
        """Raises `Forbidden`, `Conflict`, `ValidationFailed`, `Unauthorized`, `AccountLocked`, `RateLimited`."""
        user = await proved(self._person, self._check, current_password, code, by)
        await self._factors.remove(user.id)
        log.info("a second factor was disabled", username=user.username)


class ResetTotp:
    """Take the second factor of somebody away who has lost it; his sessions end."""

    def __init__(self, *, users: UserStore, factors: SecondFactors, standing: Standing, clock: Clock) -> None:
        self._users = users
        self._factors = factors
        self._standing = standing
        self._clock = clock

    async def __call__(self, user_id: str, *, by: Identity) -> User:
        """Raises `NotFound`, `Forbidden`, `Unauthorized`."""
        granter = await self._standing(by, "admin:write")
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound(UNKNOWN)
        require_power_over(granter, SCOPES_OF[user.role])
        await self._factors.remove(user_id)
        log.info("a second factor was reset", username=user.username, by=by.subject)
        return replace(user, totp_enabled=False).shown(self._clock.now())


class SpendCode:
    """`CheckPassword`'s second half: a code is good for one use, whoever is quicker."""

    def __init__(self, *, factors: SecondFactors, clock: Clock) -> None:
        self._factors = factors
        self._clock = clock

    async def __call__(self, user: AdminUser, code: str) -> bool:
        """Whether the code was right and had not been used; it is used now."""
        code = typed(code)
        if is_recovery(code):
            return await self._factors.spend_code(user.id, hash_secret(code))
        factor = await self._factors.find(user.id) if is_totp(code) else None
        step = matching_step(factor.secret, code, self._clock.now()) if factor else None
        return step is not None and await self._factors.spend_step(user.id, step)


async def proved(person: Person, check: CheckPassword, password: str, code: str, by: Identity) -> AdminUser:
    """The person, who has shown both factors."""
    user = await person(by, password)
    if not user.totp_enabled:
        raise Conflict(NOT_ENABLED)
    return await check(user.username, password, code)


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The step whose code it is. Looks at each, so that it tells nothing by its time."""
    totp = _totp(secret)
    right = [step for step in steps_around(now) if hmac.compare_digest(totp.generate(step * STEP), code.encode())]
    return right[-1] if right else None


def new_codes() -> list[str]:
    """Recovery codes: 80 random bits each, so that a plain hash is enough."""
    return [base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]


def hashed(codes: list[str]) -> list[bytes]:
    """What is kept of them."""
    return [hash_secret(code) for code in codes]


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 - the one algorithm that every device knows
