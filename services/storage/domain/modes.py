"""What an element's mode permits, as a table.

The laws: `edit` permits everything and holds temporary files; `rw` the same without delete and holds permanent ones;
`ro` only reads; `ar` only tells attributes, since the content is on cold storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.model.elements import MODE_FOR, Mode
from services.model.errors import ModeNotAllowed
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


PERMITTED: Mapping[Mode, frozenset[Operation]] = {
    Mode.EDIT: frozenset(Operation),
    Mode.RW: frozenset(Operation) - {Operation.DELETE},
    Mode.RO: frozenset({Operation.DOWNLOAD, Operation.READ}),
    Mode.AR: frozenset({Operation.READ}),
}
"""Operations by mode; what is not listed is refused."""


@dataclass(frozen=True, slots=True)
class ModeState:
    """The mode as `mode.json` keeps it."""

    mode: Mode
    revision: int
    """Rises with every change; the first is 1."""
    changed_at: datetime
    changed_by: Subject


def require(mode: Mode, operation: Operation) -> None:
    """Raise `ModeNotAllowed` unless `mode` permits `operation`."""
    if operation not in PERMITTED[mode]:
        raise ModeNotAllowed(f"a storage element in mode {mode} does not permit {operation}")


def require_policy(mode: Mode, policy: RetentionPolicy) -> None:
    """Raise `ModeNotAllowed` unless new files of `policy` belong on an element in `mode`."""
    if MODE_FOR[policy] is not mode:
        raise ModeNotAllowed(f"{policy} files are stored in mode {MODE_FOR[policy]}, this element is in mode {mode}")
