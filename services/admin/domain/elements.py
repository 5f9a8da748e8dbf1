"""Storage elements as Admin keeps them, and what a look at one means for its status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from services.model.elements import Element, ElementAddress, ElementInfo, ElementStatus, Mode
from services.model.errors import Conflict, FieldProblem, raise_for
from services.model.ids import ElementId

MAX_VERSION_LENGTH = 100


class Silence(Enum):
    """Why an element did not say how it is."""

    UNREACHABLE = auto()
    """Nothing answers at its address, or nothing with its certificate."""
    SLOW = auto()
    """It was reached but did not answer in time."""
    NONSENSE = auto()
    """It answered what no element answers."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an element is there."""

    status: ElementStatus
    since: datetime
    reason: str = ""
    """Why it is not online, in words, without addresses."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that must be looked at before the element counts as well again."""

    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ElementRecord:
    """A registered element with what it last said of itself."""

    element_id: ElementId
    name: str
    endpoint: str
    """host:port"""
    info: ElementInfo
    health: Health
    last_seen_at: datetime
    created_at: datetime
    avoid_until: datetime | None = None
    """Until then new documents go elsewhere, if they can: it has failed somebody."""
    complaint: Complaint | None = None
    """What a sync had to complain of."""
    last_sync_at: datetime | None = None
    """When all that it holds was last compared with the registry."""

    @property
    def condition(self) -> Health:
        """Its health, and what else speaks against it."""
        if self.complaint is None or self.health.status is not ElementStatus.ONLINE:
            return self.health
        return Health(ElementStatus.DEGRADED, self.complaint.since, self.complaint.text)

    @property
    def address(self) -> ElementAddress:
        return ElementAddress(self.element_id, self.info.storage_id, self.endpoint)

    @property
    def element(self) -> Element:
        """As others see it."""
        info, health = self.info, self.condition
        return Element(
            element_id=self.element_id,
            name=self.name,
            storage_id=info.storage_id,
            element_uuid=info.element_uuid,
            endpoint=self.endpoint,
            mode=info.mode,
            status=health.status,
            status_since=health.since,
            status_reason=health.reason,
            replica_mode=info.replica_mode,
            role=info.role,
            capacity_bytes=info.capacity_bytes,
            used_bytes=info.used_bytes,
            available_bytes=info.available_bytes,
            files=sum(info.files.values()),
            version=info.version,
            created_at=self.created_at,
            last_seen_at=self.last_seen_at,
            last_sync_at=self.last_sync_at,
        )


def check_info(info: ElementInfo) -> None:
    """Raise `ValidationFailed` unless Admin can keep it: elements may stand on anybody's host."""
    try:
        well_formed = str(UUID(info.element_uuid)) == info.element_uuid
    except ValueError:
        well_formed = False
    problems = [] if well_formed else [FieldProblem("element_uuid", "must be a UUID")]
    numbers = (info.mode_revision, info.capacity_bytes, info.used_bytes, info.available_bytes, info.max_file_size)
    if any(number < 0 for number in (*numbers, *info.files.values())):
        problems.append(FieldProblem("info", "sizes and counts must not be negative"))
    if len(info.version) > MAX_VERSION_LENGTH or "\0" in info.version:
        problems.append(FieldProblem("version", f"must be at most {MAX_VERSION_LENGTH} characters without NUL"))
    raise_for(problems)


def require_same(record: ElementRecord, info: ElementInfo) -> None:
    """Raise `Conflict` unless `info` is said by the element of that record."""
    if not _same(record, info):
        raise Conflict(f"another element answers there, not {record.info.storage_id}")


_WRITING = frozenset({Mode.EDIT, Mode.RW})
_SILENCES = {
    Silence.UNREACHABLE: "it cannot be reached",
    Silence.SLOW: "it does not answer in time",
    Silence.NONSENSE: "it answers what is not understood",
}
OTHER_ELEMENT = "another element answers in its place"
NOT_WRITABLE = "it does not accept writes"


def heard(record: ElementRecord, info: ElementInfo, now: datetime) -> ElementRecord:
    """The record after the element has answered with `info` at `now`."""
    if not _same(record, info):
        return replace(record, health=_changed(record.health, ElementStatus.OFFLINE, OTHER_ELEMENT, now))
    return replace(record, info=info, last_seen_at=now, health=healthy(info, now, record.health))


def silent(record: ElementRecord, silence: Silence, now: datetime, *, patience: timedelta) -> ElementRecord:
    """The record after the element has not answered. One that is merely slow is borne with for `patience`."""
    if silence is Silence.SLOW and now - record.last_seen_at < patience:
        return record
    return replace(record, health=_changed(record.health, ElementStatus.OFFLINE, _SILENCES[silence], now))


def healthy(info: ElementInfo, now: datetime, before: Health | None = None) -> Health:
    """The health of an element that answers."""
    if info.writable or info.mode not in _WRITING:
        return _changed(before, ElementStatus.ONLINE, "", now)
    return _changed(before, ElementStatus.DEGRADED, NOT_WRITABLE, now)


def _same(record: ElementRecord, info: ElementInfo) -> bool:
    return (info.storage_id, info.element_uuid) == (record.info.storage_id, record.info.element_uuid)


def _changed(before: Health | None, status: ElementStatus, reason: str, now: datetime) -> Health:
    """`since` moves only with the status."""
    since = before.since if before is not None and before.status is status else now
    return Health(status, since, reason)
