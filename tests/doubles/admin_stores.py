"""Admin's stores in memory. They keep the same promises as PostgreSQL's: one suite runs for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.elements import Complaint, ElementRecord
from services.admin.domain.keys import SigningKey
from services.admin.domain.listing import ElementFilter, Position
from services.admin.domain.places import Place
from services.admin.domain.second_factor import Factor
from services.admin.domain.users import AdminUser
from services.model.errors import Conflict, NotFound, ServiceUnavailable
from services.model.identity import SCOPES, AccountStatus, KeyState
from services.model.ids import ElementId


class MemoryAccounts:
    """Fills `ports.AccountStore`."""

    def __init__(self, *accounts: ServiceAccount) -> None:
        self.accounts = {account.client_id: account for account in accounts}
        self.lookups: list[str] = []

    async def find(self, client_id: str) -> ServiceAccount | None:
        self.lookups.append(client_id)
        return self.accounts.get(client_id)

    async def system(self) -> ServiceAccount | None:
        return next((account for account in self.accounts.values() if account.is_system), None)

    async def add_system(self, account: ServiceAccount) -> bool:
        if await self.system() is not None:
            return False
        if account.client_id in self.accounts:
            raise Conflict("another account has this client id")
        self.accounts[account.client_id] = account
        return True

    async def change_secret(self, account_id: str, secret_sha256: bytes, expires_at: datetime | None) -> None:
        account = next((each for each in self.accounts.values() if each.id == account_id), None)
        if account is None:
            raise NotFound("there is no such service account")
        self.accounts[account.client_id] = replace(
            account,
            secret_sha256=secret_sha256,
            secret_expires_at=expires_at,
            previous_secret_sha256=None,
            previous_secret_valid_until=None,
        )

    async def note_use(self, account_id: str, at: datetime) -> None:
        account = await self.get(account_id)
        if account is not None and (account.last_used_at is None or account.last_used_at < at):
            self.accounts[account.client_id] = replace(account, last_used_at=at)

    async def page(
        self, *, limit: int, offset: int = 0, after: Place | None = None, status: AccountStatus | None = None
    ) -> tuple[Sequence[ServiceAccount], int]:
        matching = [each for each in self.accounts.values() if status in (None, each.status)]
        matching.sort(key=lambda each: (each.name, each.id))
        rest = [each for each in matching if after is None or (each.name, each.id) > (after.name, after.id)]
        return rest[offset : offset + limit], len(matching)

    async def get(self, account_id: str) -> ServiceAccount | None:
        return next((each for each in self.accounts.values() if each.id == account_id), None)

    async def add(self, account: ServiceAccount) -> None:
        if account.client_id in self.accounts:
            raise Conflict("another account has this client id")
        self.accounts[account.client_id] = account

    async def change(
        self, account_id: str, decide: Callable[[ServiceAccount], ServiceAccount | None]
    ) -> ServiceAccount | None:
        account = await self.get(account_id)
        if account is None:
            raise NotFound("there is no such service account")
        changed = decide(account)
        if changed is None:
            del self.accounts[account.client_id]
        else:
            self.accounts[account.client_id] = changed
        return changed


class MemoryUsers:
    """Fills `ports.UserStore`."""

    def __init__(self, sessions: MemorySessions | None = None, guard: MemoryLoginGuard | None = None) -> None:
        self.users: list[AdminUser] = []
        self._sessions = sessions or MemorySessions()
        self._guard = guard or MemoryLoginGuard()
        self._sessions.users = self

    async def any(self) -> bool:
        return bool(self.users)

    async def add_first(self, user: AdminUser) -> bool:
        if self.users:
            return False
        self.users.append(user)
        return True

    async def find(self, username: str) -> AdminUser | None:
        return self._seen(lambda each: each.username.lower() == username.lower())

    async def get(self, user_id: str) -> AdminUser | None:
        return self._seen(lambda each: each.id == user_id)

    def _seen(self, is_meant: Callable[[AdminUser], bool]) -> AdminUser | None:
        user = next(filter(is_meant, self.users), None)
        return replace(user, locked_until=self._guard.locked_until(user.username.lower())) if user else None

    async def page(self, *, limit: int, offset: int = 0, after: Place | None = None) -> tuple[Sequence[AdminUser], int]:
        seen = [each for user in self.users if (each := await self.get(user.id)) is not None]
        listed = sorted(seen, key=lambda each: (each.username, each.id))
        rest = [each for each in listed if after is None or (each.username, each.id) > (after.name, after.id)]
        return rest[offset : offset + limit], len(listed)

    async def add(self, user: AdminUser) -> None:
        if await self.find(user.username) is not None:
            raise Conflict("this username is taken")
        self.users.append(user)

    async def change(self, user_id: str, decide: Callable[[AdminUser, int], AdminUser | None]) -> AdminUser | None:
        before = await self.get(user_id)
        if before is None:
            raise NotFound("there is no such user")
        administrators = [each for each in self.users if each.scopes == SCOPES and each.id != user_id]
        after = decide(before, len(administrators))
        self.users = [each for each in self.users if each.id != user_id] + ([after] if after else [])
        if after is None or after.password_hash != before.password_hash or not after.scopes:
            self._sessions.end_all(user_id)
        return after

    async def note_login(self, user_id: str, at: datetime) -> None:
        self.users = [replace(each, last_login_at=at) if each.id == user_id else each for each in self.users]


class MemorySecondFactors:
    """Fills `ports.SecondFactors`."""

    def __init__(self, users: MemoryUsers, sessions: MemorySessions) -> None:
        self._users = users
        self._sessions = sessions
        self.factors: dict[str, Factor] = {}
        self.steps: dict[str, int] = {}
        self.codes: dict[str, set[bytes]] = {}

    async def find(self, user_id: str) -> Factor | None:
        return self.factors.get(user_id)

    async def enrol(self, user_id: str, factor: Factor) -> bool:
        known = self.factors.get(user_id)
        if known is not None and known.confirmed:
            return False
        self.factors[user_id], self.steps[user_id] = factor, 0
        return True

    async def confirm(self, user_id: str, factor: Factor, step: int, codes: Sequence[bytes], now: datetime) -> bool:
        if self.factors.get(user_id) != factor or factor.confirmed:
            return False
        self.factors[user_id], self.steps[user_id] = replace(factor, confirmed=True), step
        self.codes[user_id] = set(codes)
        self._show(user_id, enabled=True)
        return True

    async def spend_step(self, user_id: str, step: int) -> bool:
        known = self.factors.get(user_id)
        if known is None or not known.confirmed or self.steps[user_id] >= step:
            return False
        self.steps[user_id] = step
        return True

    async def spend_code(self, user_id: str, code_sha256: bytes) -> bool:
        if code_sha256 not in self.codes.get(user_id, set()):
            return False
        self.codes[user_id].remove(code_sha256)
        return True

    async def replace_codes(self, user_id: str, codes: Sequence[bytes]) -> None:
        self.codes[user_id] = set(codes)

    async def remove(self, user_id: str) -> None:
        for kept in (self.factors, self.steps, self.codes):
            kept.pop(user_id, None)
        self._show(user_id, enabled=False)

    def _show(self, user_id: str, *, enabled: bool) -> None:
        users = self._users.users
        self._users.users = [replace(each, totp_enabled=enabled) if each.id == user_id else each for each in users]
        self._sessions.end_all(user_id)


class MemoryLoginGuard:
    """Fills `ports.LoginGuard`."""

    def __init__(self) -> None:
        self.failures: dict[str, tuple[int, datetime, datetime | None]] = {}

    def locked_until(self, name: str) -> datetime | None:
        return self.failures[name][2] if name in self.failures else None

    async def attempt(self, name: str, *, now: datetime, limit: int, lock: timedelta) -> datetime | None:
        count, last, until = self.failures.get(name, (0, now, None))
        if until is not None and until > now:
            return until
        count = 1 if last + lock <= now else count + 1
        self.failures[name] = (count, now, now + lock if count >= limit else None)
        return None

    async def forgive(self, name: str) -> None:
        self.failures.pop(name, None)

    async def prune(self, before: datetime) -> int:
        old = [name for name, (_, last, until) in self.failures.items() if last < before and (until or last) < before]
        for name in old:
            del self.failures[name]
        return len(old)


@dataclass
class KeptToken:
    """A refresh token."""

    family: int
    user_id: str
    expires_at: datetime
    used: bool = False


class MemorySessions:
    """Fills `ports.SessionStore`."""

    def __init__(self) -> None:
        self.users: MemoryUsers
        self.tokens: dict[bytes, KeptToken] = {}
        self._families = count()

    async def begin(self, token_sha256: bytes, user: AdminUser, expires_at: datetime) -> bool:
        present = await self.users.get(user.id)
        if present is None or present.password_hash != user.password_hash or not present.scopes:
            return False
        if present.totp_enabled != user.totp_enabled:
            return False
        self.tokens[token_sha256] = KeptToken(next(self._families), user.id, expires_at)
        return True

    async def spend(
        self, token_sha256: bytes, successor_sha256: bytes, *, now: datetime, expires_at: datetime
    ) -> str | None:
        token = self.tokens.get(token_sha256)
        if token is not None and token.used:
            await self.end(token_sha256)
        if token is None or token.used or token.expires_at <= now:
            return None
        token.used = True
        self.tokens[successor_sha256] = KeptToken(token.family, token.user_id, expires_at)
        return token.user_id

    async def find(self, token_sha256: bytes, now: datetime) -> tuple[str, datetime] | None:
        token = self.tokens.get(token_sha256)
        return (token.user_id, token.expires_at) if token and not token.used and token.expires_at > now else None

    async def end(self, token_sha256: bytes) -> bool:
        token = self.tokens.get(token_sha256)
        if token is None:
            return False
        self.tokens = {sha: each for sha, each in self.tokens.items() if each.family != token.family}
        return True

    def end_all(self, user_id: str) -> None:
        self.tokens = {sha: each for sha, each in self.tokens.items() if each.user_id != user_id}

    async def prune(self, now: datetime) -> int:
        before = len(self.tokens)
        self.tokens = {sha: each for sha, each in self.tokens.items() if each.expires_at > now}
        return before - len(self.tokens)


class MemoryKeys:
    """Fills `ports.KeyStore`."""

    def __init__(self) -> None:
        self.keys: list[SigningKey] = []
        self.down = False
        self.reads = 0

    async def published(self) -> Sequence[SigningKey]:
        self.reads += 1
        if self.down:
            raise ServiceUnavailable("the registry does not answer now")
        kept = [key for key in self.keys if key.state is not KeyState.RETIRED]
        return sorted(kept, key=lambda key: (key.created_at, key.kid))

    async def add_first(self, key: SigningKey) -> bool:
        return self._add(key)

    async def add_next(self, key: SigningKey) -> bool:
        return self._add(key)

    def _add(self, key: SigningKey) -> bool:
        if any(each.state is key.state for each in self.keys):
            return False
        self.keys.append(key)
        return True

    async def activate(self, kid: str, *, now: datetime, retires_at: datetime) -> bool:
        if not any(each.kid == kid and each.state is KeyState.NEXT for each in self.keys):
            return False
        stepped_down = {"state": KeyState.RETIRING, "retires_at": retires_at, "private_der": None}
        self.keys = [
            replace(each, **stepped_down) if each.state is KeyState.ACTIVE  # type: ignore[arg-type]  # each fits
            else replace(each, state=KeyState.ACTIVE, activates_at=now) if each.kid == kid
            else each
            for each in self.keys
        ]  # fmt: skip
        return True

    async def retire(self, now: datetime) -> int:
        due = [each for each in self.keys if each.state is KeyState.RETIRING and (each.retires_at or now) <= now]
        self.keys = [replace(each, state=KeyState.RETIRED) if each in due else each for each in self.keys]
        return len(due)


class MemoryElements:
    """Fills `ports.ElementStore`."""

    def __init__(self, *records: ElementRecord) -> None:
        self.records = {record.element_id: record for record in records}
        self.down = False
        self.holding: Callable[[ElementId], bool] = lambda element_id: False
        """Whether the registry has files of an element."""

    async def all(self) -> Sequence[ElementRecord]:
        if self.down:
            raise ServiceUnavailable("the registry does not answer now")
        return sorted(self.records.values(), key=lambda record: record.info.storage_id)

    async def page(
        self, wanted: ElementFilter, *, limit: int, offset: int = 0, after: Position | None = None
    ) -> tuple[Sequence[ElementRecord], int]:
        matching = sorted((each for each in self.records.values() if _matches(each, wanted)), key=_position)
        rest = [each for each in matching if after is None or _position(each) > (after.name, after.element_id)]
        return rest[offset : offset + limit], len(matching)

    async def get(self, element_id: ElementId) -> ElementRecord | None:
        return self.records.get(element_id)

    async def register(self, record: ElementRecord, *, name: str | None) -> tuple[ElementRecord, bool]:
        known = self._known(record)
        if known is None:
            self.records[record.element_id] = record
            return record, True
        same_status = known.health.status is record.health.status
        moved = replace(
            record,
            element_id=known.element_id,
            created_at=known.created_at,
            name=name or known.name,
            health=replace(record.health, since=known.health.since) if same_status else record.health,
        )
        self.records[known.element_id] = moved
        return moved, False

    def _known(self, record: ElementRecord) -> ElementRecord | None:
        for each in self.records.values():
            same_id = each.info.storage_id == record.info.storage_id
            same_directory = each.info.element_uuid == record.info.element_uuid
            if same_id != same_directory:
                raise Conflict("the storage id belongs to another directory, or the directory to another storage id")
            if same_id:
                return each
        return None

    async def observe(self, record: ElementRecord) -> bool:
        known = self.records.get(record.element_id)
        if known is None or known.endpoint != record.endpoint:
            return False
        seen = {"info": record.info, "health": record.health, "last_seen_at": record.last_seen_at}
        self.records[record.element_id] = replace(known, **seen)  # type: ignore[arg-type]  # each fits its field
        return True

    async def change(self, record: ElementRecord) -> bool:
        if record.element_id not in self.records:
            return False
        self.records[record.element_id] = record
        return True

    async def avoid(self, element_id: ElementId, until: datetime) -> bool:
        if element_id not in self.records:
            return False
        self.records[element_id] = replace(self.records[element_id], avoid_until=until)
        return True

    async def complain(self, element_id: ElementId, text: str, at: datetime) -> None:
        before = self.records[element_id].complaint
        complaint = Complaint(text, before.since if before else at)
        self.records[element_id] = replace(self.records[element_id], complaint=complaint)

    async def synced(self, element_id: ElementId, at: datetime) -> None:
        self.records[element_id] = replace(self.records[element_id], complaint=None, last_sync_at=at)

    async def remove(self, element_id: ElementId) -> bool:
        if self.holding(element_id):
            raise Conflict("the registry has files of this element")
        return self.records.pop(element_id, None) is not None


def _matches(record: ElementRecord, wanted: ElementFilter) -> bool:
    of_mode = wanted.modes is None or record.info.mode in wanted.modes
    return of_mode and wanted.status in (None, record.condition.status)


def _position(record: ElementRecord) -> tuple[str, str]:
    return record.name, record.element_id
