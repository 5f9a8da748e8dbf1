"""What an element's mode permits, as a table.

The laws: `edit` permits everything and holds temporary files; `rw` the same without delete and holds permanent ones;
`ro` only reads; `ar` only tells attributes, since the content is on cold storage. An element only becomes stricter, but
that a person who confirms it may take one back from `ro` to `rw`; `edit` stands apart, and nothing leads out of `ar`
but the configuration (`SE_MODE_OVERRIDE`) and a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.model.elements import MODE_FOR, Mode
from services.model.errors import ConfirmationRequired, InvalidTransition, ModeNotAllowed, ValidationFailed
from services.model.feed import ModeChange
from services.model.files import RetentionPolicy
from services.model.ids import Subject


class Operation(StrEnum):
    """What may be done to an element's files."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    UPDATE = "update"
    """Of description, tags and metadata."""
    DELETE = "delete"
    READ = "read"
    """Attributes, listings, info."""
    COLLECT = "collect"
    """Writing down that a file has expired, and destroying what was deleted or has expired."""
    VERIFY = "verify"
    """Reading content again, setting aside what is damaged, putting back what was set aside."""


PERMITTED: Mapping[Mode, frozenset[Operation]] = {
    Mode.EDIT: frozenset(Operation),
    Mode.RW: frozenset(Operation) - {Operation.DELETE},
    Mode.RO: frozenset({Operation.DOWNLOAD, Operation.READ, Operation.VERIFY}),
    Mode.AR: frozenset({Operation.READ}),
}
"""Operations by mode; what is not listed is refused."""


class Consent(StrEnum):
    """What a transition asks of whoever wants it."""

    PLAIN = "plain"
    CONFIRMED = "confirmed"
    """It must be confirmed explicitly."""


TRANSITIONS: Mapping[tuple[Mode, Mode], Consent] = {
    (Mode.RW, Mode.RO): Consent.PLAIN,
    (Mode.RO, Mode.AR): Consent.PLAIN,
    (Mode.RO, Mode.RW): Consent.CONFIRMED,
}
"""From and to; what is not listed is refused."""

OVERRIDES = frozenset({Mode.RW, Mode.RO})
"""Where `SE_MODE_OVERRIDE` may lead out of `ar`: `edit` stays isolated."""


@dataclass(frozen=True, slots=True)
class ModeState:
    """The mode as `mode.json` keeps it."""

    mode: Mode
    revision: int
    """Rises with every change; the first is 1."""
    changed_at: datetime
    changed_by: Subject


def mode_change(state: ModeState) -> ModeChange:
    """As the change feed tells it."""
    return ModeChange(state.mode, state.revision, state.changed_at, state.changed_by)


@dataclass(frozen=True, slots=True)
class ModeOverride:
    """`<mode>@<revision of mode.json>`: the way out of `ar`. It names a revision so that it applies once."""

    mode: Mode
    revision: int


def parse_override(text: str) -> ModeOverride:
    """Raises `ValidationFailed` unless it is "rw@<revision>" or "ro@<revision>"."""
    word, _, number = text.partition("@")
    known = {mode.value: mode for mode in OVERRIDES}
    if word not in known or not number.isascii() or not number.isdigit():
        raise ValidationFailed.of("mode_override", "must be rw@<revision> or ro@<revision>, the revision of mode.json")
    return ModeOverride(known[word], int(number))


def transition(present: ModeState, target: Mode, *, confirmed: bool, by: Subject, at: datetime) -> ModeState:
    """The state after the transition. Raises `InvalidTransition`, `ConfirmationRequired`."""
    consent = TRANSITIONS.get((present.mode, target))
    if consent is None:
        raise InvalidTransition(f"no transition leads from {present.mode} to {target}")
    if consent is Consent.CONFIRMED and not confirmed:
        raise ConfirmationRequired(f"the transition from {present.mode} to {target} must be confirmed")
    return _next(present, target, by, at)


def overridden(present: ModeState, override: ModeOverride, *, by: Subject, at: datetime) -> ModeState | None:
    """The state that `override` makes; None where it does not apply: another revision, or the mode is not `ar`."""
    if present.mode is not Mode.AR or present.revision != override.revision:
        return None
    return _next(present, override.mode, by, at)


def _next(present: ModeState, mode: Mode, by: Subject, at: datetime) -> ModeState:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return ModeState(mode=mode, revision=present.revision + 1, changed_at=at, changed_by=by)


def require(mode: Mode, operation: Operation) -> None:
    """Raise `ModeNotAllowed` unless `mode` permits `operation`."""
    if operation not in PERMITTED[mode]:
        raise ModeNotAllowed(f"a storage element in mode {mode} does not permit {operation}")


def require_policy(mode: Mode, policy: RetentionPolicy) -> None:
    """Raise `ModeNotAllowed` unless new files of `policy` belong on an element in `mode`."""
    if MODE_FOR[policy] is not mode:
        raise ModeNotAllowed(f"{policy} files are stored in mode {MODE_FOR[policy]}, this element is in mode {mode}")
