"""The other processes of this element, as it reaches them."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

import grpc

from clients.health import serving
from services.chassis.channel import element_server_name, open_channel
from services.chassis.tls import TlsFiles
from services.model.errors import ArtStoreError
from services.model.ids import StorageId
from services.storage.domain.election import Leader

LEADER: Final = "artstore.storage.leader"
"""Name under which a process's health service says whether it leads."""
ANSWERING: Final = 1.0
"""Seconds within which a leader that lives says so."""


class Replicas:
    """Fills `ports.Peers`. A channel to each that was asked for; they stay open until it is left."""

    def __init__(self, storage_id: StorageId, tls: TlsFiles) -> None:
        self._storage_id, self._tls = storage_id, tls
        self._channels: dict[tuple[str, bool], grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    def channel(self, address: str, *, transfers: bool = False) -> grpc.aio.Channel:
        """To the process there, which must show this element's certificate.

        `transfers`: the one for streams of bytes, so that no other call waits for one of them to end.
        """
        key = (address, transfers)
        if key not in self._channels:
            name = element_server_name(self._storage_id)
            self._channels[key] = open_channel(address, server_name=name, tls=self._tls)
        return self._channels[key]

    async def leads(self, leader: Leader) -> bool:
        try:
            async with asyncio.timeout(ANSWERING):
                await serving(self.channel(leader.address), LEADER)
        except (TimeoutError, ArtStoreError):
            return False
        return True
