"""The state of documents on the storage elements behind Admin."""

from __future__ import annotations

from typing import Final

import grpc
from artstore.admin.v1 import keeping_pb2, keeping_pb2_grpc

from clients import metadata, wire
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.files import FileAttributes
from services.model.ids import ElementId, FileId, QuarantineId
from services.model.maintenance import QuarantineItem, Verified
from services.model.paging import Page, PageRequest

LOOKING: Final = 15.0
"""Seconds for a call in which Admin asks an element."""
READING: Final = 590.0
"""Seconds for a call in which an element reads a whole file, perhaps twice."""


class KeepingClient:
    """Calls to Admin that it passes on to an element. `on_behalf_of` is the user behind them.

    Every method raises `ServiceUnavailable` when Admin is not reached, `StorageUnavailable` when the element is not,
    `NotFound` when it is not registered, and what either refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._check = keeping_pb2_grpc.FileCheckServiceStub(channel)
        self._read = keeping_pb2_grpc.QuarantineReadServiceStub(channel)
        self._control = keeping_pb2_grpc.QuarantineControlServiceStub(channel)

    async def verify_file(self, file_id: FileId, *, on_behalf_of: Identity | None) -> Verified:
        """Have a document read again; what that has shown."""
        return await ask(
            self._check.VerifyFile,
            keeping_pb2.VerifyFileRequest(file_id=file_id),
            lambda response: wire.verified_from_proto(response.verification),
            seconds=READING,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def element_quarantine(
        self, element_id: ElementId, page: PageRequest, *, on_behalf_of: Identity | None
    ) -> Page[QuarantineItem]:
        """A page of what an element has set aside, oldest first."""
        return await ask(
            self._read.ListElementQuarantine,
            keeping_pb2.ListElementQuarantineRequest(element_id=element_id, page=wire.page_request_to_proto(page)),
            lambda response: wire.page_from_proto(list(map(wire.item_from_proto, response.items)), response.page),
            seconds=LOOKING,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def restore_quarantined(
        self, element_id: ElementId, item_id: QuarantineId, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Put something back; the document as it is then. Raises `Conflict` with the reason why it cannot be."""
        return await ask(
            self._control.RestoreQuarantinedItem,
            keeping_pb2.RestoreQuarantinedItemRequest(element_id=element_id, item_id=item_id),
            lambda response: wire.file_from_proto(response.file),
            seconds=READING,
            metadata=metadata.bearer(on_behalf_of),
        )
