"""A follower hears from the leader's feed when there is something new, instead of looking for it."""

from __future__ import annotations

from typing import Protocol

from clients.storage_feed import StorageFeedClient
from services.chassis.caller import Identity
from services.model.errors import FeedReset, StorageUnavailable
from services.model.feed import FeedPosition
from services.model.ids import Subject
from services.storage.domain.election import Leader
from services.storage.rpc.replicas import Replicas

REPLICA = Identity(Subject("storage"), frozenset({"storage:read"}))
"""Nobody stands behind these calls but the element itself."""


class Standing(Protocol):
    """Who leads, if not this process."""

    @property
    def leader(self) -> Leader | None: ...


class Following(Protocol):
    """What is to be brought up to date."""

    @property
    def position(self) -> FeedPosition | None: ...

    async def __call__(self) -> None: ...


class Woken:
    """One pass listens to the leader for as long as there is one, and follows him when he tells something new."""

    def __init__(self, standing: Standing, replicas: Replicas, following: Following) -> None:
        self._standing, self._replicas, self._following = standing, replicas, following

    async def __call__(self) -> None:
        """Returns when the leader goes away, or has none to tell."""
        leader = self._standing.leader
        if leader is None:
            return
        feed = StorageFeedClient(self._replicas.channel(leader.address))
        try:
            async with feed.watch(None, on_behalf_of=REPLICA) as told:
                async for each in told:
                    if self._standing.leader is None:
                        return
                    known = self._following.position
                    if known is None or known.number < each.number:
                        await self._following()
        except (StorageUnavailable, FeedReset):
            return
