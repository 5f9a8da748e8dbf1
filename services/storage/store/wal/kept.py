"""Reading commits out of the journal again, for those who follow the changes. See "Kept" in the package's head."""

from __future__ import annotations

from dataclasses import dataclass

from services.storage.store.wal import frames
from services.storage.store.wal.records import Commit, CorruptRecord, Head, Place, decode
from services.storage.store.wal.segments import Segments
from services.storage.store.wal.tail import End, Tail

WINDOW = 64 << 10
"""Bytes that are read at a time; a frame has at most this, but for one that settles what a crash left."""
_WHOLE = 1 << 30


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the journal: the next commit that is numbered higher than `number` lies at or behind it."""

    place: Place
    offset: int
    number: int


@dataclass(frozen=True, slots=True)
class Source:
    """What those need who follow the journal of one leadership."""

    feed_id: str
    tail: Tail
    kept: Kept


class NotKept(Exception):
    """What comes after a number is not there, or no more, or that number was never given away."""


class Kept:
    """The journal's commits, from any that is kept. In threads only. Raises `OSError` as the disk does."""

    def __init__(self, segments: Segments, lineage: str) -> None:
        self._segments, self._lineage = segments, lineage

    def find(self, number: int, end: End) -> Spot:
        """The spot behind the commit of that number. Raises `NotKept` unless it is one of this feed."""
        if number == end.number:
            return Spot(end.place, end.offset, number)
        for place in reversed([each for each in self._segments.places() if each <= end.place]):
            head = self._head(place)
            if head is not None and head.number is not None and head.number <= number:
                return self._found(Spot(place, 0, head.number), number, end)
        raise NotKept(f"nothing is kept from change {number} on")

    def read(self, spot: Spot, end: End, most: int) -> tuple[list[Commit], Spot]:
        """The next commits, about `most` of them, and the spot behind them. Raises `NotKept` if some are missing."""
        found: list[Commit] = []
        while len(found) < most and spot.number < end.number:
            read = self.frames(spot, end)
            for commits, after in read:
                spot = after
                found += commits
                if len(found) >= most:
                    break
            if not read:
                spot = self.next(spot, end.place)
        return found, spot

    def _found(self, spot: Spot, number: int, end: End) -> Spot:
        while spot.number < number:
            read = self.frames(spot, end)
            if not read:
                break
            for commits, after in read:
                if after.number >= number:
                    if all(each.number != number for each in commits):
                        raise NotKept(f"there is no change {number}")
                    return Spot(spot.place, spot.offset, number)
                spot = after
        if spot.number == number:
            return spot
        raise NotKept(f"there is no change {number}")

    def frames(self, spot: Spot, end: End | None = None) -> list[tuple[list[Commit], Spot]]:
        """Some frames from the spot on: the commits of each that count, and the spot behind it. Empty at the end.

        `end`: how far they count; None: as far as there are any in that segment.
        """
        most = end.offset - spot.offset if end is not None and spot.place == end.place else _WHOLE
        try:
            data = self._segments.read(spot.place, spot.offset, min(WINDOW, most))
            if len(data) == WINDOW and frames.frame_at(data, 0) is None:
                data = self._segments.read(spot.place, spot.offset, most)
        except FileNotFoundError:
            raise NotKept("it was removed meanwhile") from None
        found: list[tuple[list[Commit], Spot]] = []
        offset, number = 0, spot.number
        while (frame := frames.frame_at(data, offset)) is not None:
            commits = [each for each in _commits(frame.payload) if each.number > number]
            offset, number = frame.end, commits[-1].number if commits else number
            found.append((commits, Spot(spot.place, spot.offset + offset, number)))
        return found

    def next(self, spot: Spot, until: Place) -> Spot:
        """The beginning of the segment behind the one that has ended, at most `until`. Raises `NotKept`."""
        for place in self._segments.places():
            head = self._head(place) if spot.place < place <= until else None
            if head is not None and head.number is not None:
                if head.number > spot.number:
                    break
                return Spot(place, 0, spot.number)
        raise NotKept(f"the journal does not say what came after change {spot.number}")

    def _head(self, place: Place) -> Head | None:
        """How a segment begins; None if it was never used, is not readable, or tells of another history."""
        head = head_of(self._segments, place)
        return head if head is not None and head.lineage == self._lineage else None


def head_of(segments: Segments, place: Place) -> Head | None:
    """How a segment begins; None if it was never used, or cannot be read."""
    try:
        frame = frames.frame_at(segments.read(place, 0, WINDOW), 0)
        if frame is None:
            frame = frames.frame_at(segments.read(place, 0, _WHOLE), 0)
        first = decode(frame.payload)[0] if frame is not None else None
    except (FileNotFoundError, CorruptRecord):
        return None
    return first if isinstance(first, Head) else None


def _commits(payload: bytes) -> list[Commit]:
    try:
        return [each for each in decode(payload) if isinstance(each, Commit)]
    except CorruptRecord as error:
        raise NotKept(str(error)) from error
