"""Admin as ingester and query meet it on the wire: keys, placement and a registry in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc, registry_pb2, registry_pb2_grpc

from clients import wire
from services.model.elements import ElementAddress
from services.model.errors import ArtStoreError, NotFound
from services.model.files import FileAttributes, RetentionPolicy
from services.model.ids import ElementId, FileId
from tests.doubles.keys import SigningKeys


class FakeAdminServer(
    auth_pb2_grpc.KeyServiceServicer,
    elements_pb2_grpc.PlacementServiceServicer,
    registry_pb2_grpc.RegistryWriteServiceServicer,
    registry_pb2_grpc.RegistryRepairServiceServicer,
):
    """Candidates are what the test says; documents are what the ingester registers."""

    def __init__(self, keys: SigningKeys) -> None:
        self.keys = keys
        self.reset()

    def reset(self) -> None:
        """Forget everything but the keys."""
        self.candidates: list[ElementAddress] = []
        self.rows: dict[FileId, tuple[ElementId, FileAttributes]] = {}
        self.selected: list[tuple[RetentionPolicy, int]] = []
        self.refuses_to_select: ArtStoreError | None = None
        self.registers = asyncio.Event()
        """While it is not set, registrations wait."""
        self.registers.set()
        self.registering = asyncio.Event()
        self.blamed: list[ElementId] = []
        self.marked: list[FileId] = []
        self.marks_as: FileAttributes | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_KeyServiceServicer_to_server(self, server)
        elements_pb2_grpc.add_PlacementServiceServicer_to_server(self, server)
        registry_pb2_grpc.add_RegistryWriteServiceServicer_to_server(self, server)
        registry_pb2_grpc.add_RegistryRepairServiceServicer_to_server(self, server)

    async def GetJwks(self, request: Any, context: Any) -> auth_pb2.GetJwksResponse:  # noqa: N802 - grpc's
        return auth_pb2.GetJwksResponse(jwks_json=json.dumps(await self.keys.jwks()))

    async def ReportElementFailure(  # noqa: N802
        self, request: elements_pb2.ReportElementFailureRequest, context: Any
    ) -> elements_pb2.ReportElementFailureResponse:
        self.blamed.append(ElementId(request.element_id))
        return elements_pb2.ReportElementFailureResponse()

    async def SelectElement(  # noqa: N802
        self, request: elements_pb2.SelectElementRequest, context: Any
    ) -> elements_pb2.SelectElementResponse:
        self.selected.append((wire.policy_from_proto(request.retention_policy), request.size))
        if self.refuses_to_select:
            raise self.refuses_to_select
        return elements_pb2.SelectElementResponse(elements=map(wire.address_to_proto, self.candidates))

    async def RegisterFile(  # noqa: N802
        self, request: registry_pb2.RegisterFileRequest, context: Any
    ) -> registry_pb2.RegisterFileResponse:
        self.registering.set()
        await self.registers.wait()
        file = wire.file_from_proto(request.file)
        self.rows[file.file_id] = (ElementId(request.element_id), file)
        return registry_pb2.RegisterFileResponse(file=request.file)

    async def LocateFile(  # noqa: N802
        self, request: registry_pb2.LocateFileRequest, context: Any
    ) -> registry_pb2.LocateFileResponse:
        if FileId(request.file_id) not in self.rows:
            raise NotFound("there is no document with this id")
        element_id, file = self.rows[FileId(request.file_id)]
        element = next(each for each in self.candidates if each.element_id == element_id)
        return registry_pb2.LocateFileResponse(element=wire.address_to_proto(element), file=wire.file_to_proto(file))

    async def MarkMissing(  # noqa: N802
        self, request: registry_pb2.MarkMissingRequest, context: Any
    ) -> registry_pb2.MarkMissingResponse:
        self.marked.append(FileId(request.file_id))
        assert self.marks_as is not None, "the test did not expect this"
        return registry_pb2.MarkMissingResponse(file=wire.file_to_proto(self.marks_as))
