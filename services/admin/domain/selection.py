"""Where a new document goes: right mode, online, room; the least used first, equally used ones by turns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.admin.domain.elements import ElementRecord
from services.model.elements import MODE_FOR, ElementStatus, Mode
from services.model.errors import FileTooLarge, NoElementAvailable, StorageFull
from services.model.files import RetentionPolicy

MOST_CANDIDATES = 5
"""Elements offered for one document: if one refuses, the next is tried."""
RETRY_AFTER = 5.0
"""Seconds: about when the elements have been asked again."""
ALIKE = 0.01
"""Elements whose fullness differs by no more than this part of their capacity count as equally used."""


def select(
    elements: Sequence[ElementRecord], policy: RetentionPolicy, size: int | None, *, now: datetime, turn: int = 0
) -> list[ElementRecord]:
    """The elements that can take a document of `size` bytes (None: not known yet), best first; never empty.

    One that has failed lately is offered only if there is no other. `turn`: rises from document to document. Raises
    `NoElementAvailable` with the reason, `FileTooLarge`, `StorageFull`.
    """
    mode = MODE_FOR[policy]
    right = [each for each in elements if each.info.mode is mode]
    online = [each for each in right if each.condition.status is ElementStatus.ONLINE]
    if not online:
        raise NoElementAvailable(_why_none(right, mode), retry_after=RETRY_AFTER)
    large_enough = _by_limit(online, size or 0)
    roomy = [each for each in large_enough if each.info.available_bytes >= max(size or 0, 1)]
    if not roomy:
        raise StorageFull(f"no element in mode {mode} has room for this file")
    trusted = [each for each in roomy if each.avoid_until is None or each.avoid_until <= now]
    return _by_turns(sorted(trusted or roomy, key=_fullness), turn)[:MOST_CANDIDATES]


def _by_turns(ordered: Sequence[ElementRecord], turn: int) -> list[ElementRecord]:
    """The same, but those that are about as little used as the first take turns at being first."""
    least = _fullness(ordered[0])[0]
    alike = sum(_fullness(each)[0] - least <= ALIKE for each in ordered)
    first = turn % alike
    return [*ordered[first:alike], *ordered[:first], *ordered[alike:]]


def _by_limit(online: Sequence[ElementRecord], size: int) -> list[ElementRecord]:
    fitting = [each for each in online if size <= each.info.max_file_size]
    if not fitting:
        limit = max(each.info.max_file_size for each in online)
        raise FileTooLarge(f"the file has {size} bytes; at most {limit} are taken")
    return fitting


def _fullness(record: ElementRecord) -> tuple[float, str]:
    info = record.info
    return (info.used_bytes / info.capacity_bytes if info.capacity_bytes > 0 else 1.0, info.storage_id)


def _why_none(right: Sequence[ElementRecord], mode: Mode) -> str:
    if not right:
        return f"no element in mode {mode} is registered"
    return f"no element in mode {mode} is online: " + "; ".join(_state(each) for each in right[:MOST_CANDIDATES])


def _state(record: ElementRecord) -> str:
    health = record.condition
    since = health.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{record.info.storage_id} is {health.status} since {since} ({health.reason})"
