"""Who calls: the certificate says which module, the token (or its word for it) says on whose behalf."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass

from services.model.errors import Unauthorized
from services.model.ids import StorageId, Subject

ON_BEHALF_OF = "artstore-on-behalf-of"
"""Metadata key of a compact ASCII JSON object {"sub", "scopes", "rid"}: for whom a trusted module calls an element."""

_SPIFFE = "spiffe://artstore/"


@dataclass(frozen=True, slots=True)
class Identity:
    """The user behind a call."""

    subject: Subject
    scopes: frozenset[str]
    token: str | None = None
    """The bearer itself, to be passed on to admin, ingester or query; never to an element."""

    def __repr__(self) -> str:
        return f"Identity({self.subject!r})"  # never the token: reprs end in logs


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the present call."""

    module: str
    storage_id: StorageId | None
    """Of a calling element."""
    identity: Identity | None
    request_id: str
    forwarded: bool = False
    """Whether another process of the same service passed it on, for `module`."""

    @property
    def user(self) -> Identity:
        """The user behind the call. Raises `Unauthorized` where there is none."""
        if self.identity is None:
            raise Unauthorized("this call needs a user")
        return self.identity

    @property
    def subject(self) -> Subject:
        return self.user.subject


_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Who makes the call that this task serves. Set before a servicer method runs."""
    return _caller.get()


def bind(value: Caller) -> None:
    """Make `value` the caller of the call that this task serves."""
    _caller.set(value)


def module_of(names: list[bytes]) -> tuple[str, StorageId | None] | None:
    """Module and storage id from the names in a verified peer certificate; None when it names no module of ours."""
    for name in names:
        text = name.decode("ascii", "replace")
        if text.startswith(_SPIFFE):
            module, _, storage_id = text.removeprefix(_SPIFFE).partition("/")
            return module, StorageId(storage_id) if storage_id else None
    return None


def write_on_behalf_of(identity: Identity, request_id: str) -> str:
    """The value of `ON_BEHALF_OF` for a call to an element."""
    value = {"sub": identity.subject, "scopes": sorted(identity.scopes), "rid": request_id}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def read_on_behalf_of(text: str) -> Identity:
    """What a trusted module wrote. Raises `Unauthorized` when it is malformed."""
    try:
        value = json.loads(text)
        subject, scopes = value["sub"], value["scopes"]
    except (ValueError, KeyError, TypeError):
        raise Unauthorized(f"the metadata {ON_BEHALF_OF} is malformed") from None
    if not isinstance(subject, str) or not subject or not isinstance(scopes, list):
        raise Unauthorized(f"the metadata {ON_BEHALF_OF} is malformed")
    return Identity(Subject(subject), frozenset(str(scope) for scope in scopes))
