"""People who administer: what a role may do, and what must not become of the last administrator."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.admin.domain.granting import require_power_over
from services.model.errors import Conflict, FieldProblem
from services.model.identity import SCOPES, User, UserChange, UserRole, UserStatus

SCOPES_OF = {
    UserRole.ADMIN: SCOPES,
    UserRole.READONLY: tuple(scope for scope in SCOPES if scope.endswith(":read")),
}
"""What each role may do."""
MAX_TEXT = 200
"""Characters of a full name or an address."""

_USERNAME = re.compile(r"(?!(?i:sa_))[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class AdminUser:
    """A person who administers."""

    id: str
    """UUID."""
    username: str
    password_hash: str = field(repr=False)
    """argon2id in PHC string format."""
    role: UserRole
    created_at: datetime
    status: UserStatus = UserStatus.ACTIVE
    """As it is kept: active or disabled."""
    full_name: str = ""
    email: str = ""
    last_login_at: datetime | None = None
    locked_until: datetime | None = None
    """As the count of failures has it; not changed with the user."""
    totp_enabled: bool = False
    """A login needs a second factor; not changed with the user."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """What he may do; nothing while he is disabled."""
        return SCOPES_OF[self.role] if self.status is UserStatus.ACTIVE else ()

    def shown(self, now: datetime) -> User:
        """What may be shown of him."""
        locked = self.status is UserStatus.ACTIVE and self.locked_until is not None and now < self.locked_until
        return User(
            id=self.id, username=self.username, role=self.role,
            status=UserStatus.LOCKED if locked else self.status, created_at=self.created_at,
            full_name=self.full_name, email=self.email, locked_until=self.locked_until if locked else None,
            last_login_at=self.last_login_at, totp_enabled=self.totp_enabled,
        )  # fmt: skip


def check_username(name: str) -> list[FieldProblem]:
    """What is wrong with the name of a new user. Those of service accounts begin with "sa_"; tokens name both."""
    if _USERNAME.fullmatch(name):
        return []
    rule = 'must have 1 to 64 characters: letters a-z, digits, and . _ @ - after the first; not beginning with "sa_"'
    return [FieldProblem("username", rule)]


def check_texts(full_name: str, email: str) -> list[FieldProblem]:
    """What is wrong with what is known of a user."""
    rule = f"must have at most {MAX_TEXT} characters, none of them a control character"
    texts = {"full_name": full_name, "email": email}
    return [FieldProblem(name, rule) for name, text in texts.items() if len(text) > MAX_TEXT or not _plain(text)]


def changed(user: AdminUser, change: UserChange, *, others: int, granter: frozenset[str]) -> AdminUser:
    """The user after `change`, which has been checked. Raises `Forbidden`, `Conflict`.

    `others`: how many other active administrators there are.
    """
    role, status = change.role or user.role, change.status or user.status
    after = replace(
        user,
        role=role,
        status=status,
        full_name=user.full_name if change.full_name is None else change.full_name,
        email=user.email if change.email is None else change.email,
    )
    require_power_over(granter, set(after.scopes) - set(user.scopes))
    if not _administers(after):
        require_another(user, others)
    return after


def require_another(user: AdminUser, others: int) -> None:
    """Raise `Conflict` if nobody could administer any more without `user`."""
    if _administers(user) and others == 0:
        raise Conflict("the last administrator cannot be removed, disabled or given another role")


def _administers(user: AdminUser) -> bool:
    return user.role is UserRole.ADMIN and user.status is UserStatus.ACTIVE


def _plain(text: str) -> bool:
    return all(character >= " " and character != "\x7f" for character in text)
