"""Storage elements."""

from __future__ import annotations

from typing import Any

import grpc
from artstore.admin.v1 import elements_pb2, elements_pb2_grpc

from clients import wire
from services.admin.domain.listing import ElementFilter
from services.admin.usecases.change_element import RemoveElement, UpdateElement
from services.admin.usecases.list_elements import GetElement, ListElements
from services.admin.usecases.register_element import DiscoverElement, RegisterElement
from services.admin.usecases.select_element import AvoidElement, SelectElement
from services.admin.usecases.standing import Standing
from services.chassis.caller import caller
from services.model.errors import ValidationFailed
from services.model.ids import parse_element_id

Context = grpc.aio.ServicerContext[Any, Any]


class ElementReadServicer(elements_pb2_grpc.ElementReadServiceServicer):
    """See elements.proto."""

    def __init__(self, list_elements: ListElements, get_element: GetElement, discover: DiscoverElement) -> None:
        self._list_elements = list_elements
        self._get_element = get_element
        self._discover = discover

    async def ListElements(
        self, request: elements_pb2.ListElementsRequest, context: Context
    ) -> elements_pb2.ListElementsResponse:
        wanted = ElementFilter(
            wire.mode_from_proto(request.mode),
            wire.element_status_from_proto(request.status),
            wire.policy_filter_from_proto(request.retention_policy),
        )
        page = await self._list_elements(wanted, wire.page_request_from_proto(request.page))
        return elements_pb2.ListElementsResponse(
            elements=map(wire.element_to_proto, page.items), page=wire.page_info_to_proto(page)
        )

    async def GetElement(
        self, request: elements_pb2.GetElementRequest, context: Context
    ) -> elements_pb2.GetElementResponse:
        element = await self._get_element(parse_element_id(request.element_id))
        return elements_pb2.GetElementResponse(element=wire.element_to_proto(element))

    async def DiscoverElement(
        self, request: elements_pb2.DiscoverElementRequest, context: Context
    ) -> elements_pb2.DiscoverElementResponse:
        info, element_id = await self._discover(request.endpoint)
        return elements_pb2.DiscoverElementResponse(info=wire.info_to_proto(info), element_id=element_id or "")


class ElementControlServicer(elements_pb2_grpc.ElementControlServiceServicer):
    """See elements.proto."""

    def __init__(
        self,
        register_element: RegisterElement,
        update_element: UpdateElement,
        remove_element: RemoveElement,
        standing: Standing,
    ) -> None:
        self._register_element = register_element
        self._update_element, self._remove_element = update_element, remove_element
        self._standing = standing

    async def RegisterElement(
        self, request: elements_pb2.RegisterElementRequest, context: Context
    ) -> elements_pb2.RegisterElementResponse:
        await self._standing(caller().user, "storage:write")
        element, created = await self._register_element(request.endpoint, request.name)
        return elements_pb2.RegisterElementResponse(element=wire.element_to_proto(element), created=created)

    async def UpdateElement(
        self, request: elements_pb2.UpdateElementRequest, context: Context
    ) -> elements_pb2.UpdateElementResponse:
        await self._standing(caller().user, "storage:write")
        element = await self._update_element(
            parse_element_id(request.element_id),
            name=request.name if request.HasField("name") else None,
            endpoint=request.endpoint if request.HasField("endpoint") else None,
            user=caller().user,
        )
        return elements_pb2.UpdateElementResponse(element=wire.element_to_proto(element))

    async def RemoveElement(
        self, request: elements_pb2.RemoveElementRequest, context: Context
    ) -> elements_pb2.RemoveElementResponse:
        await self._standing(caller().user, "storage:write")
        element_id = parse_element_id(request.element_id)
        files = await self._remove_element(element_id, force=request.force, user=caller().user)
        return elements_pb2.RemoveElementResponse(files=files)


class PlacementServicer(elements_pb2_grpc.PlacementServiceServicer):
    """See elements.proto."""

    def __init__(self, select_element: SelectElement, avoid_element: AvoidElement) -> None:
        self._select_element, self._avoid_element = select_element, avoid_element

    async def SelectElement(
        self, request: elements_pb2.SelectElementRequest, context: Context
    ) -> elements_pb2.SelectElementResponse:
        policy = wire.policy_from_proto(request.retention_policy)
        if request.size < 0:
            raise ValidationFailed.of("size", "must not be negative")
        chosen = await self._select_element(policy, request.size or None)
        return elements_pb2.SelectElementResponse(elements=map(wire.address_to_proto, chosen))

    async def ReportElementFailure(
        self, request: elements_pb2.ReportElementFailureRequest, context: Context
    ) -> elements_pb2.ReportElementFailureResponse:
        await self._avoid_element(parse_element_id(request.element_id))
        return elements_pb2.ReportElementFailureResponse()
