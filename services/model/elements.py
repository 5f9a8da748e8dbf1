"""Storage elements: what they permit, what they say of themselves, how Admin sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.model.errors import ValidationFailed
from services.model.files import FileStatus, RetentionPolicy
from services.model.ids import ElementId, ElementUuid, StorageId


class Mode(StrEnum):
    """What an element permits; the table is in `services.storage.domain`."""

    EDIT = "edit"
    """Everything, delete included; holds temporary files."""
    RW = "rw"
    """Everything but delete; holds permanent files."""
    RO = "ro"
    """Reading only."""
    AR = "ar"
    """Attributes only; the content is on cold storage."""


MODE_FOR: Mapping[RetentionPolicy, Mode] = {
    RetentionPolicy.TEMPORARY: Mode.EDIT,
    RetentionPolicy.PERMANENT: Mode.RW,
}
"""Which mode takes new files of a policy."""


class ElementStatus(StrEnum):
    """Whether Admin reaches an element."""

    ONLINE = "online"
    DEGRADED = "degraded"
    """Answers, but does not accept writes."""
    OFFLINE = "offline"


class ReplicaMode(StrEnum):
    """How many processes serve the directory."""

    STANDALONE = "standalone"
    REPLICATED = "replicated"


class Role(StrEnum):
    """What a process of an element does."""

    LEADER = "leader"
    FOLLOWER = "follower"


@dataclass(frozen=True, slots=True)
class ElementAddress:
    """Enough to open a channel to an element."""

    element_id: ElementId
    storage_id: StorageId
    endpoint: str
    """host:port"""


@dataclass(frozen=True, slots=True)
class ElementInfo:
    """What an element says of itself. Sizes in bytes."""

    storage_id: StorageId
    element_uuid: ElementUuid
    mode: Mode
    mode_revision: int
    replica_mode: ReplicaMode
    role: Role
    capacity_bytes: int
    used_bytes: int
    available_bytes: int
    """What an upload may still use: reservations and the kept reserve taken off."""
    max_file_size: int
    version: str
    writable: bool = True
    files: Mapping[FileStatus, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Element:
    """An element as Admin has it registered; the live values are as last seen. Sizes in bytes."""

    element_id: ElementId
    name: str
    storage_id: StorageId
    element_uuid: ElementUuid
    endpoint: str
    mode: Mode
    status: ElementStatus
    status_since: datetime
    replica_mode: ReplicaMode
    role: Role
    capacity_bytes: int
    used_bytes: int
    available_bytes: int
    files: int
    version: str
    created_at: datetime
    last_seen_at: datetime | None = None
    last_sync_at: datetime | None = None
    """When all that it holds was last compared with the registry; None: never."""
    status_reason: str = ""

    @property
    def address(self) -> ElementAddress:
        return ElementAddress(self.element_id, self.storage_id, self.endpoint)


_AUDIENCE = "urn:artstore:storage:"
_STORAGE_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def parse_storage_id(text: str, *, field: str = "storage_id") -> StorageId:
    """Return the storage id that `text` writes: a DNS label (RFC 1123 section 2.1), since certificates name it.

    Raises `ValidationFailed` naming `field`.
    """
    if not _STORAGE_ID.fullmatch(text):
        raise ValidationFailed.of(field, "must be 1 to 63 lower-case letters, digits and inner hyphens")
    return StorageId(text)


def element_audience(storage_id: StorageId) -> str:
    """The `aud` of a token for one element alone, and the `resource` by which it is asked for (RFC 8707)."""
    return _AUDIENCE + storage_id


def element_of_audience(text: str) -> StorageId | None:
    """The element for which `element_audience` gives `text`; None if there is none."""
    label = text.removeprefix(_AUDIENCE)
    return StorageId(label) if label != text and _STORAGE_ID.fullmatch(label) else None


def parse_endpoint(text: str, *, field: str = "endpoint") -> str:
    """Return `text` if it is "host:port" (an IPv6 host in brackets). Raises `ValidationFailed` naming `field`."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host_ok = bool(host) and (bracketed or ":" not in host) and re.fullmatch(r"[A-Za-z0-9.\-_:\[\]]{1,253}", host)
    if not colon or not host_ok or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValidationFailed.of(field, "must be host:port")
    return text
