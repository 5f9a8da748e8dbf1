"""What Admin's use cases need of the world. Every store raises `ServiceUnavailable` when it cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.elements import ElementRecord
from services.admin.domain.keys import SigningKey
from services.admin.domain.listing import ElementFilter, Position
from services.admin.domain.operations import Order, Task
from services.admin.domain.places import Place
from services.admin.domain.registry import Entry, Located
from services.admin.domain.second_factor import Factor
from services.admin.domain.sync import Known
from services.admin.domain.sync import Place as SyncPlace
from services.admin.domain.users import AdminUser
from services.chassis.caller import Identity
from services.model.elements import ElementAddress, ElementInfo, Mode
from services.model.errors import FieldProblem
from services.model.files import FileAttributes, FileStatus
from services.model.identity import AccountStatus
from services.model.ids import ElementId, FileId, QuarantineId
from services.model.maintenance import Collected, QuarantineItem, Verified
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)
from services.model.paging import Page, PageRequest


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


class ElementStore(Protocol):
    """Registered storage elements."""

    async def all(self) -> Sequence[ElementRecord]:
        """Every element, by storage id."""
        ...

    async def page(
        self, wanted: ElementFilter, *, limit: int, offset: int = 0, after: Position | None = None
    ) -> tuple[Sequence[ElementRecord], int]:
        """At most `limit` elements in the order of name (by code point) and id, and how many there are in all.

        They begin after `after`, or at `offset`.
        """
        ...

    async def get(self, element_id: ElementId) -> ElementRecord | None:
        """One element."""
        ...

    async def register(self, record: ElementRecord, *, name: str | None) -> tuple[ElementRecord, bool]:
        """Add the element, or, if its identity is known, move that one to the endpoint of `record`.

        Returns the row and whether it is new. A known element keeps its id, creation time and, unless `name` is given,
        its name; a new one has that of `record`. Raises `Conflict` when the storage id belongs to another directory or
        the directory to another storage id.
        """
        ...

    async def observe(self, record: ElementRecord) -> bool:
        """Keep what was seen of an element: `info`, `health`, `last_seen_at`.

        Nothing is kept, and False returned, if the element has been moved to another endpoint or removed meanwhile.
        """
        ...

    async def change(self, record: ElementRecord) -> bool:
        """Keep name, endpoint and what was seen of an element; False, and nothing, if it is not registered any more."""
        ...

    async def avoid(self, element_id: ElementId, until: datetime) -> bool:
        """New documents go elsewhere until then, if they can; False if it is not registered."""
        ...

    async def complain(self, element_id: ElementId, text: str, at: datetime) -> None:
        """A sync has found something amiss: until the next one that ends well the element counts as degraded."""
        ...

    async def synced(self, element_id: ElementId, at: datetime) -> None:
        """A sync has ended well: there is nothing to complain of any more."""
        ...

    async def remove(self, element_id: ElementId) -> bool:
        """Forget an element; False if it was not registered. Raises `Conflict` while the registry has files of it."""
        ...


class ElementControl(Protocol):
    """Storage elements, asked in the name of a user.

    Everything raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    async def info(self, address: ElementAddress, *, user: Identity) -> ElementInfo: ...

    async def files(
        self, address: ElementAddress, status: FileStatus | None, page: PageRequest, *, user: Identity
    ) -> Page[FileAttributes]:
        """A page of its files (None: of any status), oldest first."""
        ...

    async def transition_mode(
        self, address: ElementAddress, target: Mode, *, confirm: bool, user: Identity
    ) -> ElementInfo:
        """Change its mode; what it is afterwards. Raises `InvalidTransition`, `ConfirmationRequired`."""
        ...

    async def run_gc(self, address: ElementAddress, *, confirm_clock: bool, user: Identity) -> Collected:
        """Have it collect its garbage. `confirm_clock`: its clock is right, whatever it thinks of it itself."""
        ...


class ElementKeeping(Protocol):
    """The state of the elements' files, asked in the name of a user.

    Everything raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    async def verify(self, address: ElementAddress, file_id: FileId, *, user: Identity) -> Verified:
        """Have a file read again. Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged`, `ModeNotAllowed`."""
        ...

    async def quarantine(self, address: ElementAddress, page: PageRequest, *, user: Identity) -> Page[QuarantineItem]:
        """A page of what it has set aside, oldest first."""
        ...

    async def restore(self, address: ElementAddress, item_id: QuarantineId, *, user: Identity) -> FileAttributes:
        """Put something back. Raises `NotFound`, `Conflict` with the reason why it cannot be."""
        ...


class FileRegistry(Protocol):
    """One row a document."""

    async def record(self, entries: Sequence[Entry]) -> Sequence[FileAttributes]:
        """Bring rows up to what elements answered; return the rows as they are now, in the order of `entries`.

        All or none; repeatable, and right in any order: `domain.registry.supersedes` decides each row. Raises
        `NotFound` when an element is not registered.
        """
        ...

    async def find(self, file_id: FileId) -> Located | None:
        """One row."""
        ...

    async def mark_missing(self, seen: Located) -> FileAttributes:
        """Set the row's status to missing, if it is still as `seen`: same revision, same element.

        Returns the row as it is now. Raises `NotFound` when there is none.
        """
        ...

    async def forget(self, element_id: ElementId, *, limit: int) -> int:
        """Forget rows of an element, at most `limit`; return how many went."""
        ...

    async def bring(self, entries: Sequence[Entry], *, overruling: bool = False) -> int:
        """As `record`, for many: return how many rows have changed.

        `overruling`: an earlier revision counts, too, if the row is of the same element.
        """
        ...

    async def stretch(
        self, element_id: ElementId, ids: Sequence[FileId], after: SyncPlace | None, until: SyncPlace | None
    ) -> Sequence[Known]:
        """The rows of `ids`, and all rows of the element from `after` (exclusive; None: the first) to `until`.

        `until` None: to the last.
        """
        ...

    async def mark_gone(self, element_id: ElementId, gone: Sequence[tuple[FileId, int]]) -> int:
        """Mark files missing, each if it is still on that element with that revision; return how many were."""
        ...


class ElementPeer(Protocol):
    """Asks elements themselves, over their own certificates.

    Raises `StorageUnavailable` when one is not reached, `DeadlineExceeded` when it does not answer in time, and
    `ValidationFailed` or `InternalError` when its answer makes no sense.
    """

    async def identify(self, endpoint: str) -> ElementInfo:
        """Ask whoever answers at `endpoint` ("host:port") what it is. Any element's certificate will do."""
        ...

    async def info(self, address: ElementAddress) -> ElementInfo:
        """Ask one particular element how it is; no other one's certificate will do. Takes 2 seconds at most."""
        ...

    async def file(self, address: ElementAddress, file_id: FileId) -> FileAttributes:
        """Ask for one file's attributes. Raises `NotFound` when the element does not know it."""
        ...

    async def list_files(self, address: ElementAddress, cursor: str) -> Page[FileAttributes]:
        """A page of the files that it has, of any status, in the order of upload."""
        ...


class OperationStore(Protocol):
    """Operations, those that have ended included."""

    async def start(self, order: Order, now: datetime) -> tuple[Operation, bool]:
        """Keep a new operation; or find the one of that kind on that element which is not over, and return False."""
        ...

    async def get(self, operation_id: OperationId) -> Operation | None:
        """One operation."""
        ...

    async def page(
        self, wanted: OperationFilter, *, limit: int, offset: int = 0, after: Place | None = None
    ) -> tuple[Sequence[Operation], int]:
        """At most `limit` operations, the latest first, and how many there are in all.

        They begin after `after` (whose name is the time in ISO 8601), or at `offset`.
        """
        ...

    async def open(self) -> Sequence[Operation]:
        """Those that are not over, the oldest first."""
        ...

    async def take(self, operation_id: OperationId, now: datetime) -> Task | None:
        """Begin it, or go on with it; None if it is over or gone."""
        ...

    async def note(self, operation_id: OperationId, progress: Progress, memory: Mapping[str, Any]) -> None:
        """Keep how far it is, and what must be known to go on from there."""
        ...

    async def finish(
        self,
        operation_id: OperationId,
        state: OperationState,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        failure: OperationFailure | None = None,
    ) -> Operation | None:
        """End it; None if it is over already, or gone."""
        ...

    async def request_cancel(self, operation_id: OperationId) -> bool:
        """Whoever does it shall stop; False if it is over or gone."""
        ...

    async def last(self, kind: OperationKind) -> Mapping[ElementId, Operation]:
        """The last operation of a kind on each element."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget those that ended before then; return how many."""
        ...


class Claims(Protocol):
    """Which of the replicas does what."""

    async def hold(self, names: Collection[str]) -> frozenset[str]:
        """From now on claim these names and no others; return those that are ours.

        A name that is ours stays ours until it is asked for no more, or this raises, or we die: then it is anybody's.
        Raises `ServiceUnavailable`, and everything is lost. Never two calls at a time.
        """
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
