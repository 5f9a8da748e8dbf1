"""Health as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from artstore.admin.v1 import health_pb2, health_pb2_grpc

from clients import wire
from services.admin.usecases.follow_elements import FollowElements

Context = grpc.aio.ServicerContext[Any, Any]


class HealthWatchServicer(health_pb2_grpc.HealthWatchServiceServicer):
    """See health.proto."""

    def __init__(self, follow_elements: FollowElements) -> None:
        self._follow_elements = follow_elements

    async def WatchElements(
        self, request: health_pb2.WatchElementsRequest, context: Context
    ) -> AsyncIterator[health_pb2.WatchElementsResponse]:
        async with aclosing(self._follow_elements.follow()) as all_news:
            async for news in all_news:
                yield health_pb2.WatchElementsResponse(
                    element=wire.element_to_proto(news.element), removed=news.removed
                )
