"""What the edge needs of the services behind it; `clients` fills these over gRPC, tests by hand.

`on_behalf_of` is the user behind a call. Everything here raises `ServiceUnavailable` when the service is not reached,
and whatever it refuses with: any `ArtStoreError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from clients.admin import IssuedToken, OAuthRefusal
from services.chassis.caller import Identity
from services.model.elements import Element, ElementInfo, ElementStatus, Mode
from services.model.files import ByteRange, FileAttributes, FileChange, FileStatus, NewFile, RetentionPolicy
from services.model.identity import (
    Account,
    AccountChange,
    AccountSecret,
    AccountStatus,
    Enrolment,
    KeyInfo,
    Self,
    Session,
    TokenState,
    User,
    UserChange,
    UserRole,
)
from services.model.ids import ElementId, FileId, QuarantineId
from services.model.maintenance import QuarantineItem, Verified
from services.model.operations import Operation, OperationFilter, OperationId
from services.model.paging import Page, PageRequest
from services.model.search import SearchHit, SearchRequest


class Tokens(Protocol):
    """Gives out tokens."""

    async def issue_token(self, form: Mapping[str, str], authorization: str = "") -> IssuedToken | OAuthRefusal:
        """The token endpoint, its form already parsed. An OAuth error is an answer, not an exception."""
        ...


class TokenStates(Protocol):
    """What becomes of tokens that were given out."""

    async def revoke_token(self, form: Mapping[str, str]) -> OAuthRefusal | None:
        """The revocation endpoint, its form already parsed. None: done."""
        ...

    async def introspect_token(self, token: str, *, on_behalf_of: Identity | None) -> TokenState: ...


class Elements(Protocol):
    """The registered storage elements."""

    async def list_elements(
        self,
        page: PageRequest,
        *,
        mode: Mode | None = None,
        status: ElementStatus | None = None,
        policy: RetentionPolicy | None = None,
        on_behalf_of: Identity | None,
    ) -> Page[Element]:
        """`policy`: only those that hold files of it."""
        ...

    async def get_element(self, element_id: ElementId, *, on_behalf_of: Identity | None) -> Element: ...

    async def register_element(
        self, endpoint: str, name: str = "", *, on_behalf_of: Identity | None
    ) -> tuple[Element, bool]:
        """The element that answers at `endpoint`, and whether it was unknown before."""
        ...

    async def discover_element(
        self, endpoint: str, *, on_behalf_of: Identity | None
    ) -> tuple[ElementInfo, ElementId | None]:
        """What answers at `endpoint`, and the id under which it is registered, if it is."""
        ...

    async def update_element(
        self,
        element_id: ElementId,
        *,
        name: str | None = None,
        endpoint: str | None = None,
        on_behalf_of: Identity | None,
    ) -> Element: ...

    async def remove_element(self, element_id: ElementId, *, force: bool = False, on_behalf_of: Identity | None) -> int:
        """How many files went from the registry with it."""
        ...


class Maintenance(Protocol):
    """The storage elements themselves, asked through Admin. Raises `StorageUnavailable` when one is not reached."""

    async def element_info(self, element_id: ElementId, *, on_behalf_of: Identity | None) -> ElementInfo: ...

    async def element_files(
        self, element_id: ElementId, status: FileStatus | None, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[FileAttributes]:
        """None: of any status."""
        ...

    async def transition_mode(
        self, element_id: ElementId, target: Mode, *, confirm: bool, on_behalf_of: Identity | None
    ) -> Element: ...


class Operations(Protocol):
    """Work on storage elements that takes longer than an answer."""

    async def list_operations(
        self, wanted: OperationFilter, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[Operation]:
        """The latest first."""
        ...

    async def get_operation(self, operation_id: OperationId, *, on_behalf_of: Identity | None) -> Operation: ...

    async def cancel_operation(self, operation_id: OperationId, *, on_behalf_of: Identity | None) -> Operation:
        """The operation, stopped or about to be."""
        ...

    async def reconcile_element(
        self,
        element_id: ElementId,
        *,
        quick: bool = False,
        wait: timedelta = timedelta(0),
        on_behalf_of: Identity | None,
    ) -> tuple[Operation, bool]:
        """The reconciliation, and whether it was started by this call. `quick`: only sizes are compared."""
        ...

    async def scrub_element(
        self, element_id: ElementId, *, wait: timedelta = timedelta(0), on_behalf_of: Identity | None
    ) -> tuple[Operation, bool]:
        """The scrub, and whether it was started by this call; `wait` for its end so long."""
        ...

    async def sync_element(
        self,
        element_id: ElementId,
        *,
        force: bool = False,
        wait: timedelta = timedelta(0),
        on_behalf_of: Identity | None,
    ) -> tuple[Operation, bool]:
        """The sync, and whether it was started by this call; `wait` for its end so long."""
        ...


class Keeping(Protocol):
    """The state of documents on their elements. Raises `StorageUnavailable` when one is not reached."""

    async def verify_file(self, file_id: FileId, *, on_behalf_of: Identity | None) -> Verified: ...

    async def element_quarantine(
        self, element_id: ElementId, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[QuarantineItem]: ...

    async def restore_quarantined(
        self, element_id: ElementId, item_id: QuarantineId, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """The document as it is then."""
        ...


class Accounts(Protocol):
    """Service accounts."""

    async def list_accounts(
        self, page: PageRequest, *, status: AccountStatus | None = None, on_behalf_of: Identity | None
    ) -> Page[Account]: ...

    async def get_account(self, account_id: str, *, on_behalf_of: Identity | None) -> Account: ...

    async def create_account(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        description: str = "",
        lifetime: timedelta | None = None,
        on_behalf_of: Identity | None,
    ) -> AccountSecret:
        """`lifetime` of the secret: 0 for ever, None as the installation has it."""
        ...

    async def update_account(
        self, account_id: str, change: AccountChange, *, on_behalf_of: Identity | None
    ) -> Account: ...

    async def delete_account(self, account_id: str, *, on_behalf_of: Identity | None) -> None: ...

    async def rotate_account_secret(
        self,
        account_id: str,
        *,
        lifetime: timedelta | None = None,
        overlap: timedelta | None = None,
        on_behalf_of: Identity | None,
    ) -> AccountSecret:
        """None: as the installation has it."""
        ...


class Sessions(Protocol):
    """People who log in, and what everybody may ask about himself."""

    async def login(self, username: str, password: str, totp: str = "") -> Session: ...

    async def refresh(self, refresh_token: str) -> Session:
        """Spends the token; one that was spent before ends its session."""
        ...

    async def logout(self, refresh_token: str) -> None:
        """A token that is not known is none of it."""
        ...

    async def get_self(self, *, on_behalf_of: Identity | None) -> Self: ...

    async def change_password(self, current: str, new: str, *, on_behalf_of: Identity | None) -> None: ...


class SecondFactor(Protocol):
    """One's own."""

    async def enrol_totp(self, current_password: str, *, on_behalf_of: Identity | None) -> Enrolment: ...

    async def confirm_totp(self, totp: str, *, on_behalf_of: Identity | None) -> Sequence[str]: ...

    async def replace_recovery_codes(
        self, current_password: str, totp: str, *, on_behalf_of: Identity | None
    ) -> Sequence[str]: ...

    async def disable_totp(self, current_password: str, totp: str, *, on_behalf_of: Identity | None) -> None: ...


class Users(Protocol):
    """People, administered."""

    async def list_users(self, page: PageRequest, *, on_behalf_of: Identity | None) -> Page[User]: ...

    async def get_user(self, user_id: str, *, on_behalf_of: Identity | None) -> User: ...

    async def create_user(
        self,
        username: str,
        password: str,
        role: UserRole,
        *,
        full_name: str = "",
        email: str = "",
        on_behalf_of: Identity | None,
    ) -> User: ...

    async def update_user(self, user_id: str, change: UserChange, *, on_behalf_of: Identity | None) -> User: ...

    async def delete_user(self, user_id: str, *, on_behalf_of: Identity | None) -> None: ...

    async def reset_password(self, user_id: str, new: str, *, on_behalf_of: Identity | None) -> None: ...

    async def reset_totp(self, user_id: str, *, on_behalf_of: Identity | None) -> User: ...

    async def unlock_user(self, user_id: str, *, on_behalf_of: Identity | None) -> User: ...


class SigningKeys(Protocol):
    """The keys that sign tokens."""

    async def list_signing_keys(self, *, on_behalf_of: Identity | None) -> Sequence[KeyInfo]:
        """Every one that is published, the oldest first."""
        ...

    async def rotate_signing_key(self, *, on_behalf_of: Identity | None) -> KeyInfo:
        """Begin a rotation, or find one under way; the key that will sign."""
        ...


class Ingest(Protocol):
    """The way in."""

    async def upload(
        self,
        new_file: NewFile,
        content: AsyncIterable[bytes | memoryview],
        *,
        sha256: str | None = None,
        on_behalf_of: Identity | None,
    ) -> FileAttributes:
        """Take `content` as fast as it can be stored; return once the document is durable and can be found.

        What `content` raises is raised here, and then nothing is kept. A refusal is raised as soon as it is made.
        """
        ...

    async def update_file(
        self, file_id: FileId, change: FileChange, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """`expected_revision` 0: whatever it has."""
        ...

    async def delete_file(
        self, file_id: FileId, expected_revision: int = 0, *, on_behalf_of: Identity | None
    ) -> FileAttributes: ...


class Download(Protocol):
    """A document's content, about to flow."""

    @property
    def file(self) -> FileAttributes: ...
    @property
    def length(self) -> int:
        """Bytes that follow."""
        ...

    def chunks(self) -> AsyncIterator[memoryview]:
        """The bytes, as fast as they are taken. Where it does not raise, exactly `length` of them came."""
        ...


class Documents(Protocol):
    """The way out."""

    async def search(self, request: SearchRequest, *, on_behalf_of: Identity | None) -> Page[SearchHit]: ...

    async def file(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes: ...

    def download(
        self, file_id: FileId, wanted: ByteRange | None = None, *, on_behalf_of: Identity | None
    ) -> AbstractAsyncContextManager[Download]:
        """Entered once it is known what follows; leaving ends what is still under way."""
        ...
