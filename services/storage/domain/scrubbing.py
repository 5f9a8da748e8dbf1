"""When every byte is read again. Pure decisions.

The scrub goes round: through all files by id, then again a period after the round began. How far it has come is kept
in `scrub.json`, so that an element which is restarted daily comes to its last file nevertheless, and so that nothing
has to be written for each file: those up to `after` were read since this round began, the others in the round before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.model.ids import FileId


@dataclass(frozen=True, slots=True)
class Round:
    """One walk through all files."""

    began_at: datetime
    before: datetime | None = None
    """When the round before this one began, if that came to its end."""
    after: FileId | None = None
    """The last file that was read."""
    complete: bool = False
    """Whether all were; then `after` says nothing."""

    def read_up_to(self, file_id: FileId) -> Round:
        """The round after that file was read."""
        return replace(self, after=file_id)

    def ended(self) -> Round:
        """The round after the last file was read."""
        return replace(self, after=None, complete=True)

    def floor(self, file_id: FileId) -> datetime | None:
        """Since when a file has been read at least once, if it was there already; None if nobody knows."""
        read = self.complete or (self.after is not None and file_id <= self.after)
        return self.began_at if read else self.before


def due(last: Round | None, now: datetime, period: timedelta) -> Round | None:
    """The round that is to be gone on with; None if there is nothing to do yet.

    A clock that was set back does not keep the scrub from working.
    """
    if last is None:
        return Round(now)
    if not last.complete:
        return last
    return Round(now, before=last.began_at) if now - last.began_at >= period or now < last.began_at else None


def anew(last: Round | None, now: datetime) -> Round:
    """The round that somebody asks for: every file is read once more, those included that the present one has read.

    What counts as read before is what the last whole round has read; a file that was read by itself is known anyhow.
    """
    if last is None:
        return Round(now)
    return Round(now, before=last.began_at if last.complete else last.before)


def verified_at(last: Round | None, file_id: FileId, known: datetime) -> datetime:
    """When a file was last known to be well. `known`: when it was stored, or read by itself."""
    floor = last.floor(file_id) if last else None
    return max(known, floor) if floor else known
