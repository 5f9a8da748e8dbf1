"""A follower's index: kept up to date from the leader's journal, which lies in the element's directory.

A start, or a gap in what is kept of the journal, makes the index anew from the disk (`rebuild.py`); what the leader
commits meanwhile is noted all the same. The number that the index knows is read from the journal before the disk is.
"""

from __future__ import annotations

from services.chassis.logs import get_logger
from services.model.errors import StorageUnavailable
from services.model.feed import FeedPosition
from services.storage.store.documents import DocumentFiles
from services.storage.store.files import Parts
from services.storage.store.health import reading
from services.storage.store.identity import ElementFile
from services.storage.store.wal.kept import Kept, NotKept, Spot, head_of
from services.storage.store.wal.records import EPOCH_SHIFT, Head, Place
from services.storage.store.wal.replay import replay
from services.storage.store.wal.segments import Segments

log = get_logger(__name__)


class Following:
    """One pass brings the index up to what the leader has committed. Does nothing in the one who leads."""

    def __init__(self, parts: Parts, identity: ElementFile) -> None:
        self._parts, self._identity = parts, identity
        self._documents = DocumentFiles(parts.fs, parts.layout)
        self._segments = Segments(parts.fs, parts.layout.journal)
        self._lineage = ""
        self._spot: Spot | None = None
        """Up to where the journal was read; None: it has to be found again."""
        self.position: FeedPosition | None = None
        """Of the last change that the index knows; None until that is known."""

    async def __call__(self) -> None:
        """Raises `StorageUnavailable` when the disk cannot be read."""
        charge = self._parts.charge
        async with charge.index:
            if charge.leading or charge.taking:
                self._spot = self.position = None
                return
            await self._parts.reads.run(self._pass)

    def _pass(self) -> None:
        with reading():
            try:
                newest = self._newest()
                if newest is None:
                    return  # nobody has led yet
                if newest.lineage != self._lineage:
                    self._spot = None
                self._lineage = newest.lineage
                kept = Kept(self._segments, self._lineage)
                self._spot = self._brought_up(kept, newest.place)
                self.position = FeedPosition(f"{self._identity.element_uuid}.{self._lineage}", self._spot.number)
            except FileNotFoundError as error:
                self._spot = None
                raise StorageUnavailable("the storage element's journal is not there") from error

    def _brought_up(self, kept: Kept, until: Place) -> Spot:
        """The spot behind what the index knows then; if the journal has a gap, it is to be made anew."""
        try:
            return self._read(kept, self._spot or self._begin(kept), until)
        except NotKept as gap:
            log.warning("the journal has a gap: the index is made anew", reason=str(gap))
            return self._anew(self._end(kept, self._heads()[-1]))

    def _begin(self, kept: Kept) -> Spot:
        """From where the index has to be told, which belongs to this journal then. Raises `NotKept`, `OSError`."""
        index = self._parts.index
        known = index.belongs_to(self._identity.element_uuid, self._lineage)
        heads = self._heads()
        spot = self._end(kept, heads[-1])
        # One that knows more than the journal has seen what a power cut took back. (An epoch without a commit yet is
        # known by its beginning.)
        if known is not None and known <= max(spot.number, spot.place.epoch << EPOCH_SHIFT):
            for head in reversed(heads):
                if head.number is not None and head.number <= known:
                    index.resume(self._identity.element_uuid, self._lineage, range(known, known + 1))
                    return Spot(head.place, 0, head.number)
        return self._anew(spot)

    def _anew(self, spot: Spot) -> Spot:
        """Empty the index: the disk tells everything up to the spot, the journal what comes behind it."""
        self._parts.index.resume(self._identity.element_uuid, self._lineage, range(0))
        self._parts.index.put([], applied=spot.number)
        return spot

    def _end(self, kept: Kept, head: Head) -> Spot:
        """The end of the journal as it is now."""
        spot = Spot(head.place, 0, head.number or 0)
        while read := kept.frames(spot):
            spot = read[-1][1]
        return spot

    def _read(self, kept: Kept, spot: Spot, until: Place) -> Spot:
        """Tell the index of everything behind the spot; the spot behind that. Raises `NotKept`, `OSError`."""
        while True:
            while read := kept.frames(spot):
                commits = [each for found, _ in read for each in found]
                spot = read[-1][1]
                if commits:
                    replay(self._parts.index, self._documents, self._parts.destroyed, commits, spot.number)
            if spot.place >= until:
                return spot
            spot = kept.next(spot, until)

    def _newest(self) -> Head | None:
        try:
            places = self._segments.places()
        except FileNotFoundError:
            return None
        return next((head for place in reversed(places) if (head := head_of(self._segments, place)) is not None), None)

    def _heads(self) -> list[Head]:
        """Of the segments of this journal, oldest first; there is one at least, or `NotKept` is raised."""
        heads = [head_of(self._segments, place) for place in self._segments.places()]
        ours = [head for head in heads if head is not None and head.lineage == self._lineage]
        if not ours:
            raise NotKept("the journal went away")
        return ours
