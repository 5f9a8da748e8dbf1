"""What Admin's use cases need of the world to know who is who. Stores raise `ServiceUnavailable` when they are away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.keys import SigningKey
from services.admin.domain.places import Place
from services.admin.domain.second_factor import Factor
from services.admin.domain.users import AdminUser
from services.model.errors import FieldProblem
from services.model.identity import AccountStatus


class KeysUnreadable(Exception):
    """The signing keys are there but cannot be read: the installation is configured wrongly."""


class AccountStore(Protocol):
    """Service accounts."""

    async def find(self, client_id: str) -> ServiceAccount | None:
        """The account of that client id, compared exactly."""
        ...

    async def system(self) -> ServiceAccount | None:
        """The system account."""
        ...

    async def add_system(self, account: ServiceAccount) -> bool:
        """Keep `account` unless there is a system account already; return whether it was kept.

        Of many callers at the same time one is told True. Raises `Conflict` when another account has its client id.
        """
        ...

    async def change_secret(self, account_id: str, secret_sha256: bytes, expires_at: datetime | None) -> None:
        """From now on only the new secret counts. Raises `NotFound`."""
        ...

    async def note_use(self, account_id: str, at: datetime) -> None:
        """Keep when it was last used; an account that is gone is none of it."""
        ...

    async def page(
        self, *, limit: int, offset: int = 0, after: Place | None = None, status: AccountStatus | None = None
    ) -> tuple[Sequence[ServiceAccount], int]:
        """At most `limit` accounts in the order of name (by code point) and id, and how many there are in all.

        They begin after `after`, or at `offset`.
        """
        ...

    async def get(self, account_id: str) -> ServiceAccount | None:
        """The account of that id (a UUID)."""
        ...

    async def add(self, account: ServiceAccount) -> None:
        """Keep a new account. Raises `Conflict` when another one has its client id."""
        ...

    async def change(
        self, account_id: str, decide: Callable[[ServiceAccount], ServiceAccount | None]
    ) -> ServiceAccount | None:
        """Replace the account by what `decide` makes of it, or remove it where that is None; return that.

        Nobody else changes it meanwhile. Its id, client id, name and creation stay. What `decide` raises is raised, and
        nothing is changed. Raises `NotFound`.
        """
        ...


class UserStore(Protocol):
    """People who administer."""

    async def any(self) -> bool:
        """Whether there is any user."""
        ...

    async def add_first(self, user: AdminUser) -> bool:
        """Keep `user` unless there is any user already; of many callers at the same time one is told True."""
        ...

    async def find(self, username: str) -> AdminUser | None:
        """The user of that name, without regard to case."""
        ...

    async def get(self, user_id: str) -> AdminUser | None:
        """The user of that id (a UUID)."""
        ...

    async def page(self, *, limit: int, offset: int = 0, after: Place | None = None) -> tuple[Sequence[AdminUser], int]:
        """At most `limit` users in the order of username (by code point) and id, and how many there are in all.

        They begin after `after`, or at `offset`.
        """
        ...

    async def add(self, user: AdminUser) -> None:
        """Keep a new user. Raises `Conflict` when the name is taken, in whatever case."""
        ...

    async def change(self, user_id: str, decide: Callable[[AdminUser, int], AdminUser | None]) -> AdminUser | None:
        """Replace the user by what `decide` makes of him, or remove him where that is None; return that.

        `decide` is told how many other active administrators there are; nobody changes any user meanwhile. Id, name
        and creation stay. Whose password changes or who is not active afterwards has no session any more. What
        `decide` raises is raised, and nothing is changed. Raises `NotFound`.
        """
        ...

    async def note_login(self, user_id: str, at: datetime) -> None:
        """Keep when he last logged in; one who is gone is none of it."""
        ...


class SecondFactors(Protocol):
    """People's second factors; secrets are kept so that whoever reads the store cannot use them. All by user id."""

    async def find(self, user_id: str) -> Factor | None:
        """The one that was begun or confirmed last."""
        ...

    async def enrol(self, user_id: str, factor: Factor) -> bool:
        """Keep one that is not confirmed, in place of another such; False, and nothing, where one is confirmed."""
        ...

    async def confirm(self, user_id: str, factor: Factor, step: int, codes: Sequence[bytes], now: datetime) -> bool:
        """From now on logins need it, `step` is used up, and these are the SHA-256 of the recovery codes.

        His sessions end. False, and nothing, unless `factor` is still the one that was begun, and not confirmed.
        """
        ...

    async def spend_step(self, user_id: str, step: int) -> bool:
        """Use the code of `step` up, and all before; False where it was. Of many at once, one is told True."""
        ...

    async def spend_code(self, user_id: str, code_sha256: bytes) -> bool:
        """Use a recovery code up; False where there is no such. Of many at once, one is told True."""
        ...

    async def replace_codes(self, user_id: str, codes: Sequence[bytes]) -> None:
        """Only these recovery codes count from now on."""
        ...

    async def remove(self, user_id: str) -> None:
        """He has none any more, nor any session."""
        ...


class LoginGuard(Protocol):
    """Counts tries of passwords, of names that exist and of others alike, by name in lower case."""

    async def attempt(self, name: str, *, now: datetime, limit: int, lock: timedelta) -> datetime | None:
        """Count a try as failed before it is made; return until when the name is locked out, None if it is not.

        The `limit`th failure in a row, none of them `lock` after the one before, locks for `lock`; a locked name counts
        nothing. However many try at the same time, no more than `limit` are told None.
        """
        ...

    async def forgive(self, name: str) -> None:
        """The try succeeded, or somebody unlocks: there were no failures."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget names that nobody has tried, and whose lock has ended, since `before`; return how many."""
        ...


class SessionStore(Protocol):
    """Refresh tokens, by SHA-256: each is good for one use, and those of one session end together."""

    async def begin(self, token_sha256: bytes, user: AdminUser, expires_at: datetime) -> bool:
        """A new session; False, and none, if he has another password or second factor now, or is not active."""
        ...

    async def spend(
        self, token_sha256: bytes, successor_sha256: bytes, *, now: datetime, expires_at: datetime
    ) -> str | None:
        """Use a token up and keep its successor; return the user's id.

        None for one that is not known or has expired. One that was used before ends its session: somebody has a copy.
        Of many that spend the same token at once at most one is told the id.
        """
        ...

    async def find(self, token_sha256: bytes, now: datetime) -> tuple[str, datetime] | None:
        """The user's id and the end of a token that can still be spent."""
        ...

    async def end(self, token_sha256: bytes) -> bool:
        """End the session of a token, used or not; return whether there was one."""
        ...

    async def prune(self, now: datetime) -> int:
        """Forget tokens that have expired; return how many."""
        ...


class KeyStore(Protocol):
    """Keys that sign tokens; private ones are kept so that whoever reads the store cannot use them."""

    async def published(self) -> Sequence[SigningKey]:
        """Every key that is not retired, the oldest first. Raises `KeysUnreadable`."""
        ...

    async def add_first(self, key: SigningKey) -> bool:
        """Keep `key`, which is active, unless there is an active one; of many callers one is told True."""
        ...

    async def add_next(self, key: SigningKey) -> bool:
        """Keep `key`, which is the next one, unless there is a next one; of many callers one is told True."""
        ...

    async def activate(self, kid: str, *, now: datetime, retires_at: datetime) -> bool:
        """The next key signs from `now` on, the active one retires; False, and nothing, unless `kid` is the next."""
        ...

    async def retire(self, now: datetime) -> int:
        """Publish no more what retires by `now`, and forget its private key; return how many keys that were."""
        ...


class Passwords(Protocol):
    """People's passwords."""

    def problems(self, password: str, username: str, field: str) -> list[FieldProblem]:
        """What is wrong with a password that somebody of that name wants; `field`: how the client calls it."""
        ...

    def require_room(self) -> None:
        """Raise `RateLimited` while too many passwords wait to be looked at."""
        ...

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether `password` is the one of which `kept` is kept; None: nobody's. All take the same time."""
        ...

    async def hash(self, password: str) -> str:
        """What is kept of a password: argon2id in PHC string format. Costs tens of milliseconds and MiB."""
        ...
