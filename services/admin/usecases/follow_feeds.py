"""Follow the change feed of every element, so that what changes on a disk is in the registry within moments.

The position is kept in the transaction that writes the rows, so nothing is skipped and nothing is lost, whoever dies.
An element without a position, or whose feed is another one now, is synced in full; the sync says from where to follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from services.admin.domain.elements import ElementRecord
from services.admin.domain.feed import Step, step_of
from services.admin.domain.operations import ITSELF, due
from services.admin.ports import Claims, ElementPeer, ElementStore, FeedStore, FeedWitness, OperationStore
from services.admin.usecases.fit import fit
from services.admin.usecases.operations import StartOperation
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, FeedReset, NotFound, ServiceUnavailable
from services.model.feed import Change, FeedPosition
from services.model.ids import ElementId
from services.model.operations import OperationKind

MOST = 500
"""Changes of one transaction."""
WINDOW = 0.05
"""Seconds to wait for more of them. Meanwhile the ingester registers what was uploaded, as a rule."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before an element that went away is asked again."""
WITHOUT_FEED = timedelta(minutes=10)
"""Pause between full syncs of an element that has no feed to follow."""
LOOK = 0.5
"""Seconds between looks whether a sync has told from where to follow."""

log = get_logger(__name__)


class FollowFeed:
    """Follows one element, for ever."""

    def __init__(
        self,
        *,
        feeds: FeedStore,
        peer: ElementPeer,
        operations: OperationStore,
        start: StartOperation,
        clock: Clock,
        witness: FeedWitness,
    ) -> None:
        self._witness = witness
        self._feeds = feeds
        self._peer = peer
        self._operations = operations
        self._start = start
        self._clock = clock

    async def __call__(self, record: ElementRecord) -> None:
        """Never returns; raises nothing that may pass."""
        storage_id = record.info.storage_id
        self._witness.begun(storage_id)
        try:
            await self._for_ever(record)
        finally:
            self._witness.left(storage_id)

    async def _for_ever(self, record: ElementRecord) -> None:
        pause = FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._attempt(record)
            except ServiceUnavailable:
                pass  # the store is away, which tells by itself
            except ArtStoreError as error:
                log.warning("the change feed of an element is interrupted", storage_id=record.info.storage_id,
                            reason=error.message)  # fmt: skip
            self._witness.interrupted(record.info.storage_id)
            lasted = asyncio.get_running_loop().time() - began
            pause = FIRST_PAUSE if lasted > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _attempt(self, record: ElementRecord) -> None:
        position = await self._feeds.position(record.element_id)
        while position is None:
            await self._have_it_synced(record)
            await asyncio.sleep(LOOK)
            position = await self._feeds.position(record.element_id)
        try:
            await self._follow(record, position)
        except FeedReset:
            log.warning("the change feed of an element is another one now, or too old: it is synced in full",
                        storage_id=record.info.storage_id)  # fmt: skip
            self._witness.reset(record.info.storage_id)
            await self._feeds.forget(record.element_id)
            await self._start(OperationKind.SYNC, record.element_id, {}, by=ITSELF)

    async def _have_it_synced(self, record: ElementRecord) -> None:
        last = (await self._operations.last(OperationKind.SYNC, record.element_id)).get(record.element_id)
        if due(last, self._clock.now(), WITHOUT_FEED):
            with suppress(NotFound):
                await self._start(OperationKind.SYNC, record.element_id, {}, by=ITSELF)

    async def _follow(self, record: ElementRecord, position: FeedPosition) -> None:
        storage_id, known = record.info.storage_id, position.number
        async with self._peer.watch(record.address, position) as told, aclosing(gathered(told)) as batches:
            async for batch in batches:
                step = step_of(record.element_id, position.feed_id, batch)
                if not step.empty or step.position.number > known:
                    changed = await self._feeds.apply(record.element_id, _fitting(step))
                    known = step.position.number
                    log.debug("changes of an element", storage_id=storage_id, number=known, rows=changed)
                self._witness.told(storage_id, batch)


class FollowFeeds:
    """A call is one pass: it begins to follow what nobody follows, and leaves what is not ours any more."""

    def __init__(self, *, elements: ElementStore, claims: Claims, follow: FollowFeed) -> None:
        self._elements = elements
        self._claims = claims
        self._follow = follow
        self._followed: dict[ElementId, tuple[str, asyncio.Task[None]]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(*self._followed)

    async def __call__(self) -> int:
        """Return how many are followed here. While the store is away, which tells by itself, none is."""
        try:
            there = {each.element_id: each for each in await self._elements.all()}
            held = await self._claims.hold([_claim(each) for each in there])
        except ServiceUnavailable:
            await self._leave(*self._followed)
            return 0
        await self._leave(*(
            element_id
            for element_id, (endpoint, task) in self._followed.items()
            if _claim(element_id) not in held or there[element_id].endpoint != endpoint or task.done()
        ))  # fmt: skip
        for element_id, record in there.items():
            if _claim(element_id) in held and element_id not in self._followed:
                self._followed[element_id] = (record.endpoint, asyncio.create_task(self._one(record)))
        return len(self._followed)

    async def _one(self, record: ElementRecord) -> None:
        try:
            await self._follow(record)
        except Exception:
            log.exception("a follower ended", storage_id=record.info.storage_id)

    async def _leave(self, *elements: ElementId) -> None:
        tasks = [self._followed.pop(each)[1] for each in elements]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def gathered(told: AsyncIterator[FeedPosition | Change]) -> AsyncGenerator[list[FeedPosition | Change], None]:
    """The same in batches: what comes within `WINDOW` of each other, at most `MOST`. Raises what `told` raises."""
    queue: asyncio.Queue[FeedPosition | Change | Exception] = asyncio.Queue(MOST)
    pump = asyncio.create_task(_pump(told, queue))
    try:
        while True:
            batch: list[FeedPosition | Change] = []
            item = await queue.get()
            if isinstance(item, Change) and queue.empty():
                await asyncio.sleep(WINDOW)
            while not isinstance(item, Exception):
                batch.append(item)
                if len(batch) == MOST or queue.empty():
                    break
                item = queue.get_nowait()
            if batch:
                yield batch
            if isinstance(item, Exception):
                raise item
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(
    told: AsyncIterator[FeedPosition | Change], queue: asyncio.Queue[FeedPosition | Change | Exception]
) -> None:
    try:
        async for each in told:
            await queue.put(each)
    except Exception as error:  # noqa: BLE001 - it is raised where the items are taken
        await queue.put(error)


def _fitting(step: Step) -> Step:
    return Step(step.position, fit(step.entries), step.ended, step.mode)


def _claim(element_id: ElementId) -> str:
    return f"feed {element_id}"
