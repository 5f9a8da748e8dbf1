"""What a change of a file is called in the change feed."""

from __future__ import annotations

from services.model.feed import ChangeKind
from services.model.files import FileStatus

_ENTERED = {
    FileStatus.DELETED: ChangeKind.DELETED,
    FileStatus.EXPIRED: ChangeKind.EXPIRED,
    FileStatus.DAMAGED: ChangeKind.DAMAGED,
    FileStatus.MISSING: ChangeKind.MISSING,
}
_HURT = frozenset({FileStatus.DAMAGED, FileStatus.MISSING})


def kind_of(before: FileStatus, after: FileStatus) -> ChangeKind:
    """What a change of the attributes is, by the status before it and after it."""
    if before is after:
        return ChangeKind.UPDATED
    if after is FileStatus.ACTIVE:
        return ChangeKind.RESTORED if before in _HURT else ChangeKind.UPDATED
    return _ENTERED[after]
