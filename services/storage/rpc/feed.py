"""`artstore.storage.v1.StorageFeedService`: check fields, call, convert, return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from artstore.storage.v1 import feed_pb2, feed_pb2_grpc

from clients import wire
from services.model.feed import Change, FeedPosition
from services.model.paging import DEFAULT_LIMIT, PageRequest
from services.storage.rpc.metrics import watching
from services.storage.usecases.watch_changes import ListDestroyed, WatchChanges

Context = grpc.aio.ServicerContext[Any, Any]


class StorageFeedServicer(feed_pb2_grpc.StorageFeedServiceServicer):
    """See feed.proto."""

    def __init__(self, watch_changes: WatchChanges, list_destroyed: ListDestroyed) -> None:
        self._watch_changes, self._list_destroyed = watch_changes, list_destroyed

    async def WatchChanges(
        self, request: feed_pb2.WatchChangesRequest, context: Context
    ) -> AsyncIterator[feed_pb2.WatchChangesResponse]:
        since = FeedPosition(request.feed_id, request.after) if request.feed_id else None
        with watching() as sent:
            async with aclosing(self._watch_changes(since)) as told:
                async for each in told:
                    yield _frame(each)
                    sent(each)

    async def ListDestroyed(
        self, request: feed_pb2.ListDestroyedRequest, context: Context
    ) -> feed_pb2.ListDestroyedResponse:
        page = await self._list_destroyed(PageRequest(limit=request.limit or DEFAULT_LIMIT, cursor=request.cursor))
        return feed_pb2.ListDestroyedResponse(
            files=map(wire.destroyed_to_proto, page.items), next_cursor=page.next_cursor
        )


def _frame(told: FeedPosition | Change) -> feed_pb2.WatchChangesResponse:
    if isinstance(told, Change):
        return feed_pb2.WatchChangesResponse(change=wire.change_event_to_proto(told))
    return feed_pb2.WatchChangesResponse(position=wire.position_to_proto(told))
