"""Signing keys in answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from services.model.identity import KeyInfo, KeyState


class Key(msgspec.Struct, frozen=True):
    """A key that signs tokens, or did, or will."""

    kid: str
    algorithm: str
    state: Annotated[KeyState, Meta(description="next: published, not signing yet; active: signs; retiring: verifies.")]
    created_at: datetime
    activates_at: Annotated[datetime, Meta(description="When it begins to sign (at the earliest), or began to.")]
    retires_at: Annotated[datetime | None, Meta(description="When it is published no more; null: not known yet.")]


class KeyList(msgspec.Struct, frozen=True):
    """Every key that is published."""

    items: list[Key]


def key_of(key: KeyInfo) -> Key:
    """What is shown of a key."""
    return Key(**{name: getattr(key, name) for name in Key.__struct_fields__})
