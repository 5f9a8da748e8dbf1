"""The storage elements behind Admin, as administrators look into them and run them."""

from __future__ import annotations

from typing import Final

import grpc
from artstore.admin.v1 import maintenance_pb2, maintenance_pb2_grpc

from clients import metadata, wire
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.elements import Element, ElementInfo, Mode
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId
from services.model.paging import Page, PageRequest

LOOKING: Final = 15.0
"""Seconds for a call in which Admin asks an element."""
TRANSITION: Final = 20.0


class MaintenanceClient:
    """Calls to Admin that it passes on to an element. `on_behalf_of` is the user behind them.

    Every method raises `ServiceUnavailable` when Admin is not reached, `StorageUnavailable` when the element is not,
    `NotFound` when it is not registered, and what either refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._live = maintenance_pb2_grpc.ElementLiveServiceStub(channel)
        self._maintenance = maintenance_pb2_grpc.ElementMaintenanceServiceStub(channel)

    async def element_info(self, element_id: ElementId, *, on_behalf_of: Identity | None) -> ElementInfo:
        """What the element says of itself now."""
        return await ask(
            self._live.GetElementInfo,
            maintenance_pb2.GetElementInfoRequest(element_id=element_id),
            lambda response: wire.info_from_proto(response.info),
            seconds=LOOKING,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def element_files(
        self, element_id: ElementId, status: FileStatus | None, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[FileAttributes]:
        """A page of the files that lie on the element (None: of any status), oldest first."""
        request = maintenance_pb2.ListElementFilesRequest(
            element_id=element_id, status=wire.status_to_proto(status), page=wire.page_request_to_proto(page)
        )
        return await ask(
            self._live.ListElementFiles,
            request,
            lambda response: wire.page_from_proto(list(map(wire.file_from_proto, response.files)), response.page),
            seconds=LOOKING,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def transition_mode(
        self, element_id: ElementId, target: Mode, *, confirm: bool, on_behalf_of: Identity | None
    ) -> Element:
        """Change its mode; the element with its new one. Raises `InvalidTransition`, `ConfirmationRequired`."""
        request = maintenance_pb2.TransitionElementModeRequest(
            element_id=element_id, target_mode=wire.mode_to_proto(target), confirm=confirm
        )
        return await ask(
            self._maintenance.TransitionElementMode,
            request,
            lambda response: wire.element_from_proto(response.element),
            seconds=TRANSITION,
            metadata=metadata.bearer(on_behalf_of),
        )
