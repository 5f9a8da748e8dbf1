"""Work that is cheaper together: what arrives while a batch is under way forms the next one.

Nobody waits for others to arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.model.errors import ServiceUnavailable

Item = TypeVar("Item")
Done = TypeVar("Done")

MOST = 100
"""Items of one batch."""
LANES = 2
"""Batches under way at the same time: one waits for the disk while the next is prepared."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Done]):
    item: Item
    done: asyncio.Future[Done]


class Batches(Generic[Item, Done]):
    """Does items in batches; a refused batch is done again item by item, so that none suffers for another."""

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Done]]]) -> None:
        """`work` does all of a batch or none, is repeatable, and answers in order."""
        self._work = work
        self._waiting: list[_Waiting[Item, Done]] = []
        self._lanes: set[asyncio.Task[None]] = set()

    async def add(self, item: Item) -> Done:
        """Return what became of `item`. Raises what `work` raises for it."""
        waiting: _Waiting[Item, Done] = _Waiting(item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._work_off())
            self._lanes.add(lane)
        return await waiting.done

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._do(batch)
        finally:
            # Here, not in a callback later: who comes in between must not take this lane for one that works.
            if (lane := asyncio.current_task()) is not None:
                self._lanes.discard(lane)

    async def _do(self, batch: Sequence[_Waiting[Item, Done]]) -> None:
        try:
            results = await self._work([each.item for each in batch])
        except ServiceUnavailable as error:
            _fail(batch, error)  # for all of them, one after the other would only take longer
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's to see
            if len(batch) == 1:
                _fail(batch, error)
                return
            for each in batch:
                await self._do([each])
        else:
            for each, result in zip(batch, results, strict=True):
                if not each.done.done():  # else its caller has gone away
                    each.done.set_result(result)


def _fail(batch: Sequence[_Waiting[Any, Any]], error: Exception) -> None:
    for each in batch:
        if not each.done.done():
            each.done.set_exception(error)
