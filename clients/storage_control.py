"""A storage element, as Admin runs it."""

from __future__ import annotations

from typing import Final

import grpc
from artstore.storage.v1 import control_pb2, control_pb2_grpc

from clients import metadata, wire
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.elements import ElementInfo, Mode
from services.model.errors import StorageUnavailable
from services.model.maintenance import Collected

TRANSITION: Final = 15.0
"""Seconds for a change of the mode, which waits for the commits under way."""
PASS: Final = 300.0
"""Seconds for a pass over the element."""


class StorageControlClient:
    """Calls that run an element. `on_behalf_of` is the user behind them.

    Every method raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._control = control_pb2_grpc.StorageControlServiceStub(channel)

    async def transition_mode(self, target: Mode, *, confirm: bool, on_behalf_of: Identity | None) -> ElementInfo:
        """Change the mode; the element with its new one. Raises `InvalidTransition`, `ConfirmationRequired`.

        Where it raises `StorageUnavailable` or `DeadlineExceeded` the change may have been made nevertheless.
        """
        return await ask(
            self._control.TransitionMode,
            control_pb2.TransitionModeRequest(target_mode=wire.mode_to_proto(target), confirm=confirm),
            lambda response: wire.info_from_proto(response.info),
            seconds=TRANSITION,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )

    async def run_gc(self, *, confirm_clock: bool = False, on_behalf_of: Identity | None) -> Collected:
        """Make a pass of garbage collection; what it did, or why it did nothing."""
        return await ask(
            self._control.RunGc,
            control_pb2.RunGcRequest(confirm_clock=confirm_clock),
            lambda response: Collected(
                expired=response.expired,
                destroyed=response.destroyed,
                freed=response.freed_bytes,
                failed=response.failed,
                refused=response.refused,
            ),
            seconds=PASS,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )
