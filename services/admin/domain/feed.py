"""What an element's changes mean for the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.admin.domain.registry import Entry
from services.model.feed import Change, FeedPosition, ModeChange
from services.model.files import FileStatus
from services.model.ids import ElementId, FileId


@dataclass(frozen=True, slots=True)
class Step:
    """Some changes that follow each other, and the position after them."""

    position: FeedPosition
    entries: Sequence[Entry] = ()
    ended: Mapping[FileId, FileStatus] = field(default_factory=dict)
    """Files that were destroyed, and why."""
    mode: ModeChange | None = None
    """The last one."""

    @property
    def empty(self) -> bool:
        return not (self.entries or self.ended or self.mode)


def begun_anew(known: FeedPosition | None, told: FeedPosition | None) -> bool:
    """Whether an element tells its changes from a new beginning: its disk was restored, or lost its journal.

    `known`: where its feed was followed last, None if that says nothing any more; `told`: where it stands now, None
    where the element has none.
    """
    return told is not None and (known is None or known.feed_id != told.feed_id)


def step_of(element_id: ElementId, feed_id: str, told: Sequence[Change | FeedPosition]) -> Step:
    """`told`: at least one frame of a watch. A change that tells nothing of its file is followed by one that does."""
    changes = [each for each in told if isinstance(each, Change)]
    modes = [each.mode for each in changes if each.mode is not None]
    return Step(
        FeedPosition(feed_id, told[-1].number),
        [Entry(element_id, each.file) for each in changes if each.file is not None],
        {each.destroyed.file_id: each.destroyed.why for each in changes if each.destroyed is not None},
        max(modes, key=lambda mode: mode.revision, default=None),
    )
