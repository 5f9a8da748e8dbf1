"""A storage element's change feed, as those follow it who keep a copy of what the element holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from artstore.storage.v1 import feed_pb2, feed_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from services.chassis.caller import Identity
from services.chassis.deadlines import idle
from services.chassis.faults import translated
from services.model.errors import DeadlineExceeded, StorageUnavailable
from services.model.feed import Change, DestroyedPage, FeedPosition

UNARY: Final = 10.0
"""Seconds for a page."""
SILENCE: Final = 15.0
"""Seconds without a frame after which a watch is dead: the element gives a sign of life every 5."""


class StorageFeedClient:
    """Calls that follow an element. `on_behalf_of` is the user behind them.

    Every method raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._feed = feed_pb2_grpc.StorageFeedServiceStub(channel)

    @asynccontextmanager
    async def watch(
        self, since: FeedPosition | None, *, on_behalf_of: Identity | None, silence: float = SILENCE
    ) -> AsyncIterator[AsyncIterator[FeedPosition | Change]]:
        """The changes after `since` (None: from now on), in order, each once; entered at once, it speaks when it does.

        First comes the position itself, and it comes again as a sign of life: then every change up to it has been
        told. It never ends by itself. The iterator raises `FeedReset`, at its beginning or later: list everything and
        begin anew; `StorageUnavailable` when the element goes away, stops, or says nothing for `silence` seconds: go on
        from the last number. Leaving ends the watch.
        """
        request = feed_pb2.WatchChangesRequest()
        if since is not None:
            request.feed_id, request.after = since.feed_id, since.number
        call = self._feed.WatchChanges(request, metadata=metadata.on_behalf_of(on_behalf_of))
        try:
            yield _told(call, silence)
        finally:
            call.cancel()

    async def destroyed(self, cursor: str, limit: int, *, on_behalf_of: Identity | None) -> DestroyedPage:
        """A page of everything that the element has destroyed, in the order of destruction; `cursor` "": the first."""
        return await ask(
            self._feed.ListDestroyed,
            feed_pb2.ListDestroyedRequest(limit=limit, cursor=cursor),
            lambda response: DestroyedPage(tuple(map(wire.destroyed_from_proto, response.files)), response.next_cursor),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )


async def _told(
    call: grpc.aio.UnaryStreamCall[feed_pb2.WatchChangesRequest, feed_pb2.WatchChangesResponse], silence: float
) -> AsyncIterator[FeedPosition | Change]:
    with translated(StorageUnavailable):
        try:
            async for frame in idle(aiter(call), silence):
                with understood():
                    told = _frame(frame)
                yield told
        except DeadlineExceeded:
            raise StorageUnavailable("the storage element has fallen silent", retry_after=1) from None
    raise StorageUnavailable("the storage element has ended the watch", retry_after=1)


def _frame(frame: feed_pb2.WatchChangesResponse) -> FeedPosition | Change:
    if frame.WhichOneof("frame") == "change":
        return wire.change_event_from_proto(frame.change)
    return wire.position_from_proto(frame.position)
