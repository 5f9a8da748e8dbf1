"""Admin, as the other modules see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import grpc
import stamina
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc, registry_pb2, registry_pb2_grpc

from clients import metadata, wire
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.elements import Element, ElementAddress, ElementInfo, ElementStatus, Mode
from services.model.errors import ServiceUnavailable
from services.model.files import FileAttributes, RetentionPolicy
from services.model.ids import ElementId, FileId, parse_element_id
from services.model.paging import Page, PageRequest

UNARY: Final = 5.0
"""Seconds for a call that Admin answers by itself."""
ASKING_ELEMENTS: Final = 20.0
"""Seconds for a call in which Admin asks an element."""
REMOVING: Final = 300.0
"""Seconds for forgetting an element with all its files."""
REGISTERING: Final = 20.0
"""Seconds for which a registration is tried again while Admin restarts."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A successful answer of the token endpoint, RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: timedelta
    scope: str
    """Scopes granted, separated by spaces."""
    issued_token_type: str = ""
    """Of a token exchange, RFC 8693 section 2.2.1."""

    def __repr__(self) -> str:
        return f"IssuedToken({self.scope!r})"  # never the token: reprs end in logs


@dataclass(frozen=True, slots=True)
class OAuthRefusal:
    """An error answer of the token endpoint, RFC 6749 section 5.2."""

    error: str
    """For example "invalid_client"."""
    error_description: str
    http_status: int
    """400 or 401."""


class AdminClient:
    """Calls to Admin. `on_behalf_of` is the user behind them, whose token is passed on.

    Every method raises `ServiceUnavailable` when Admin is not reached, and what Admin refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)
        self._keys = auth_pb2_grpc.KeyServiceStub(channel)
        self._elements = elements_pb2_grpc.ElementReadServiceStub(channel)
        self._control = elements_pb2_grpc.ElementControlServiceStub(channel)
        self._placement = elements_pb2_grpc.PlacementServiceStub(channel)
        self._registry = registry_pb2_grpc.RegistryWriteServiceStub(channel)
        self._repair = registry_pb2_grpc.RegistryRepairServiceStub(channel)

    async def issue_token(self, form: Mapping[str, str], authorization: str = "") -> IssuedToken | OAuthRefusal:
        """The OAuth 2.0 token endpoint (RFC 6749). `authorization`: the header, where the client used it."""
        return await ask(
            self._auth.IssueToken,
            auth_pb2.IssueTokenRequest(form=form, authorization=authorization),
            _outcome,
            seconds=UNARY,
            metadata=metadata.bearer(None),
            repeatable=True,
        )

    async def jwks(self) -> dict[str, Any]:
        """Every key by which a valid token may be signed (RFC 7517 section 5); this is a `KeySource`."""
        answer = await ask(
            self._keys.GetJwks,
            auth_pb2.GetJwksRequest(),
            lambda response: json.loads(response.jwks_json),
            seconds=UNARY,
            metadata=metadata.bearer(None),
        )
        return dict(answer)

    async def list_elements(
        self,
        page: PageRequest,
        *,
        mode: Mode | None = None,
        status: ElementStatus | None = None,
        policy: RetentionPolicy | None = None,
        on_behalf_of: Identity | None,
    ) -> Page[Element]:
        """A page of elements, by name; None: any."""
        request = elements_pb2.ListElementsRequest(
            mode=wire.mode_to_proto(mode),
            status=wire.element_status_to_proto(status),
            retention_policy=wire.policy_to_proto(policy),
            page=wire.page_request_to_proto(page),
        )
        return await ask(
            self._elements.ListElements,
            request,
            lambda response: wire.page_from_proto(list(map(wire.element_from_proto, response.elements)), response.page),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def get_element(self, element_id: ElementId, *, on_behalf_of: Identity | None) -> Element:
        """One element. Raises `NotFound`."""
        return await ask(
            self._elements.GetElement,
            elements_pb2.GetElementRequest(element_id=element_id),
            lambda response: wire.element_from_proto(response.element),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def discover_element(
        self, endpoint: str, *, on_behalf_of: Identity | None
    ) -> tuple[ElementInfo, ElementId | None]:
        """What answers at an address, and the id under which it is registered, if it is. Registers nothing.

        Raises `StorageUnavailable` when no element of this installation answers there.
        """
        return await ask(
            self._elements.DiscoverElement,
            elements_pb2.DiscoverElementRequest(endpoint=endpoint),
            lambda response: (
                wire.info_from_proto(response.info),
                parse_element_id(response.element_id) if response.element_id else None,
            ),
            seconds=ASKING_ELEMENTS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def register_element(
        self, endpoint: str, name: str = "", *, on_behalf_of: Identity | None
    ) -> tuple[Element, bool]:
        """Register what answers at `endpoint`; returns it and whether it was unknown before. Empty name: its id.

        Raises `Conflict` when its storage id belongs to another directory, `StorageUnavailable` when nothing answers.
        """
        return await ask(
            self._control.RegisterElement,
            elements_pb2.RegisterElementRequest(endpoint=endpoint, name=name),
            lambda response: (wire.element_from_proto(response.element), response.created),
            seconds=ASKING_ELEMENTS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def update_element(
        self,
        element_id: ElementId,
        *,
        name: str | None = None,
        endpoint: str | None = None,
        on_behalf_of: Identity | None,
    ) -> Element:
        """Change its name, or its address; None leaves a field as it is.

        Raises `NotFound`, `StorageUnavailable`, and `Conflict` when another element answers at the address.
        """
        return await ask(
            self._control.UpdateElement,
            elements_pb2.UpdateElementRequest(element_id=element_id, name=name, endpoint=endpoint),
            lambda response: wire.element_from_proto(response.element),
            seconds=ASKING_ELEMENTS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def remove_element(self, element_id: ElementId, *, force: bool = False, on_behalf_of: Identity | None) -> int:
        """Forget an element; how many files went from the registry with it.

        Raises `NotFound`, and `Conflict` while the registry has files of it and `force` is not given.
        """
        return await ask(
            self._control.RemoveElement,
            elements_pb2.RemoveElementRequest(element_id=element_id, force=force),
            lambda response: response.files,
            seconds=REMOVING,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def report_failure(self, element_id: ElementId) -> None:
        """An element has failed the caller: for a while others are asked first."""
        await ask(
            self._placement.ReportElementFailure,
            elements_pb2.ReportElementFailureRequest(element_id=element_id),
            lambda _: None,
            seconds=UNARY,
            metadata=metadata.bearer(None),
        )

    async def select_element(
        self, policy: RetentionPolicy, size: int | None, *, on_behalf_of: Identity | None
    ) -> Sequence[ElementAddress]:
        """One to five elements that can take a document of `size` bytes (None: unknown), best first.

        Raises `NoElementAvailable`, `StorageFull`.
        """
        return await ask(
            self._placement.SelectElement,
            elements_pb2.SelectElementRequest(retention_policy=wire.policy_to_proto(policy), size=size or 0),
            lambda response: list(map(wire.address_from_proto, response.elements)),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def register_file(self, element_id: ElementId, file: FileAttributes) -> FileAttributes:
        """Bring the registry's row up to what an element answered; returns the row. Repeatable.

        No user stands behind it: his token may have expired while the bytes came. Tried again for `REGISTERING`
        seconds while Admin is away, since the element has committed already.
        """
        request = registry_pb2.RegisterFileRequest(element_id=element_id, file=wire.file_to_proto(file))
        async for attempt in stamina.retry_context(
            on=ServiceUnavailable, attempts=None, timeout=REGISTERING, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                return await ask(
                    self._registry.RegisterFile,
                    request,
                    lambda response: wire.file_from_proto(response.file),
                    seconds=UNARY,
                    metadata=metadata.bearer(None),
                )
        raise AssertionError("stamina neither returned nor raised")

    async def locate_file(
        self, file_id: FileId, *, on_behalf_of: Identity | None
    ) -> tuple[ElementAddress, FileAttributes]:
        """The element that holds the document, and the registry's row. Raises `NotFound`."""
        return await ask(
            self._registry.LocateFile,
            registry_pb2.LocateFileRequest(file_id=file_id),
            lambda response: (wire.address_from_proto(response.element), wire.file_from_proto(response.file)),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def mark_missing(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes:
        """Report that the element answered NOT_FOUND. Returns the row after Admin has asked the element again."""
        return await ask(
            self._repair.MarkMissing,
            registry_pb2.MarkMissingRequest(file_id=file_id),
            lambda response: wire.file_from_proto(response.file),
            seconds=ASKING_ELEMENTS,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )


def _outcome(response: auth_pb2.IssueTokenResponse) -> IssuedToken | OAuthRefusal:
    if response.HasField("error"):
        refusal = response.error
        return OAuthRefusal(refusal.error, refusal.error_description, refusal.http_status)
    token = response.token
    return IssuedToken(
        token.access_token, token.token_type, token.expires_in.ToTimedelta(), token.scope, token.issued_token_type
    )
