"""What the journals of earlier epochs say: what is open, what was done, whether they can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.chassis.logs import get_logger
from services.model.ids import ElementUuid
from services.storage.store.durable import read_file, sync_file, sync_folder
from services.storage.store.refusal import ElementRefused
from services.storage.store.wal import frames
from services.storage.store.wal.kept import head_of
from services.storage.store.wal.records import (
    EPOCH_SHIFT,
    START,
    Abort,
    Begin,
    Checkpoint,
    Commit,
    CorruptRecord,
    Head,
    Place,
    Record,
    decode,
)
from services.storage.store.wal.segments import Segments

Own = tuple[ElementUuid, ElementUuid | None]
"""The element, and whose copy it was."""
LARGEST_SEGMENT = 1 << 30
"""Bytes; nobody makes one of this size."""

log = get_logger(__name__)


@dataclass(slots=True)
class History:
    """What is known of the past."""

    lineage: str | None = None
    """None: there is no journal."""
    open: dict[int, Begin] = field(default_factory=dict)
    """By transaction: begun, and neither committed nor aborted."""
    commits: list[Commit] = field(default_factory=list)
    """Those that lie in segments not yet spent, in the order of their numbers."""
    applied: int = 0
    """Numbers up to this one may be missing from `commits`: every index that is of use has them."""
    last: int = 0
    """The highest number that was ever given away, as far as the journals tell."""
    number: int = 0
    """Of the last commit; 0 if there was none."""
    spent: Place = START
    epoch: int = 0
    """The newest that has written anything."""
    element: ElementUuid | None = None
    """Whose that one's journal is."""
    damage: str = ""
    """Why the journals cannot be believed; empty if they can. Nothing else here counts then."""


@dataclass(slots=True)
class _Segment:
    place: Place
    scan: frames.Scan
    records: list[Record]


class _Damaged(Exception):
    """The journals cannot be believed."""


def read(segments: Segments, element: ElementUuid, cloned_from: ElementUuid | None = None) -> History:
    """Read all journals, making durable what is believed and cutting off a torn tail.

    `cloned_from`: whose copy the element was; what the copy brought with it is believed, too. Raises `ElementRefused`
    if they are another element's, `OSError`.
    """
    try:
        return _read(segments, (element, cloned_from))
    except _Damaged as error:
        return History(damage=str(error))


def _read(segments: Segments, own: Own) -> History:
    sync_folder(segments.fs, segments.root)
    history = History()
    needed = _needed(segments, history)
    _check(needed, history.spent, own)
    for segment in needed:
        if segment.scan.torn:
            log.warning("the journal's tail was torn: cut off", epoch=segment.place.epoch, at=segment.scan.end)
            segments.cut(segment.place, segment.scan.end)
        for record in segment.records:
            _note(history, record)
    history.commits.sort(key=lambda each: each.number)
    numbers = [each.number for each in history.commits]
    history.last = max([history.applied, history.epoch << EPOCH_SHIFT, *numbers])
    before = [head.number for each in needed for head in each.records[:1] if isinstance(head, Head)]
    history.number = max([number for number in before if number is not None] or [history.last])
    history.number = max([history.number, *numbers])
    return history


def _needed(segments: Segments, history: History) -> list[_Segment]:
    """The segments that are not spent, oldest first. From the newest backwards: spent ones may be kept for long."""
    found: list[_Segment] = []
    for place in reversed(segments.places()):
        if place < history.spent:
            break
        found.append(_segment(segments, place))
        for record in found[-1].records:
            if isinstance(record, Head | Checkpoint):
                history.spent = max(history.spent, record.spent)
                history.applied = max(history.applied, record.applied)
    return [each for each in reversed(found) if each.place >= history.spent]


def _segment(segments: Segments, place: Place) -> _Segment:
    path = segments.path(place)
    sync_file(segments.fs, path)
    sync_folder(segments.fs, path.parent)
    scan = frames.scan(read_file(segments.fs, path, LARGEST_SEGMENT), None)
    try:
        return _Segment(place, scan, [record for frame in scan.frames for record in decode(frame.payload)])
    except CorruptRecord as error:
        raise _Damaged(f"{path.parent.name}/{path.name}: {error}") from error


def _check(needed: list[_Segment], spent: Place, own: Own) -> None:
    """Raise `_Damaged` unless the segments follow one another without a gap, a bad frame only at an epoch's end."""
    before: _Segment | None = None
    for segment in needed:
        place, scan = segment.place, segment.scan
        if before is not None and before.place.epoch != place.epoch:
            before = None
        if scan.after:
            raise _Damaged(f"epoch {place.epoch}, segment {place.segment}: a bad frame at byte {scan.end}")
        if not scan.frames:
            continue  # it was made, and never came to be used: nothing may follow it
        _check_head(segment, own)
        first = Place(place.epoch, 1) if place.epoch != spent.epoch else spent
        follows = before is not None and before.place.segment + 1 == place.segment
        if not follows and place != first:
            raise _Damaged(f"epoch {place.epoch}: segment {place.segment} is there, an earlier one is missing or empty")
        if before is not None and (before.scan.torn or before.scan.frames[-1].batch + 1 != scan.frames[0].batch):
            raise _Damaged(f"epoch {place.epoch}: segment {before.place.segment} does not lead to the next one")
        if place == Place(place.epoch, 1) and scan.frames[0].batch != 1:
            raise _Damaged(f"epoch {place.epoch}: its first frame is missing")
        before = segment


def _check_head(segment: _Segment, own: Own) -> None:
    head = segment.records[0] if segment.records else None
    if not isinstance(head, Head) or head.place != segment.place:
        raise _Damaged(f"epoch {segment.place.epoch}, segment {segment.place.segment}: it does not say what it is")
    _require_own(head, own)


def require_own(segments: Segments, own: Own) -> None:
    """Raise `ElementRefused` if the newest journal that tells whose it is is another element's."""
    heads = (head_of(segments, place) for place in reversed(segments.places()))
    head = next((each for each in heads if each is not None), None)
    if head is not None:
        _require_own(head, own)


def _require_own(head: Head, own: Own) -> None:
    if head.element not in own:
        raise ElementRefused(f"the journal belongs to element {head.element}, not to {own[0]}: is SE_WAL_DIR right?")


def _note(history: History, record: Record) -> None:
    match record:
        case Head():
            history.lineage, history.element, history.epoch = record.lineage, record.element, record.place.epoch
        case Begin(tx=tx):
            history.open[tx] = record
        case Commit(tx=tx):
            history.open.pop(tx, None)
            history.commits.append(record)
        case Abort(tx=tx):
            history.open.pop(tx, None)
