"""Admin, ingester and query as the gateway sees them: real gRPC servers with real certificates, and a memory behind.

What they are asked is kept for the test to look at; what they shall do wrong is set on `Behind`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Self

import grpc
import uuid_utils
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc, elements_pb2, elements_pb2_grpc
from artstore.ingester.v1 import ingester_pb2, ingester_pb2_grpc
from artstore.query.v1 import query_pb2, query_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from clients import wire
from services.chassis.authentication import BearerAuthenticator
from services.chassis.caller import caller
from services.chassis.channel import SHARED_OPTIONS
from services.chassis.clock import SystemClock
from services.chassis.interceptor import CallInterceptor
from services.chassis.metrics import RpcMetrics
from services.chassis.tokens import TokenVerifier
from services.model.elements import Element, ElementStatus, Mode, ReplicaMode, Role
from services.model.errors import ArtStoreError, ChecksumMismatch, Conflict, NotFound
from services.model.files import ByteRange, DownloadTrailer, FileAttributes, FileStatus, NewFile
from services.model.identity import TokenState
from services.model.ids import ElementId, ElementUuid, FileId, StorageId
from services.model.paging import Page
from services.model.search import SearchHit, SearchRequest
from tests.doubles.keys import AUDIENCE, ISSUER, SigningKeys
from tests.support.admin_things import info
from tests.support.certificates import Certificates
from tests.support.processes import free_port

CLIENT_ID, CLIENT_SECRET = "sa_test", "right"
CHUNK = 256 << 10
MODULES = ("admin", "ingester", "query")


_OPTIONS = [
    *SHARED_OPTIONS,
    ("grpc.so_reuseport", 0),
    # As every server of ours: the gateway asks every 30 s whether the peer is still there.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


def new_id() -> str:
    return str(uuid_utils.uuid7())


@dataclass
class Received:
    """One upload as it came in."""

    header: NewFile
    chunks: list[int] = field(default_factory=list)
    """The sizes of its chunks."""
    content: bytearray = field(default_factory=bytearray)
    declared: str | None = None
    committed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the call has ended, in whatever way."""


@dataclass
class Behind:
    """What lies behind the edge, and how it shall behave."""

    keys: SigningKeys
    files: dict[str, FileAttributes] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    uploads: list[Received] = field(default_factory=list)
    searches: list[SearchRequest] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Names of the methods that were called."""

    failures: dict[str, ArtStoreError] = field(default_factory=dict)
    """By method: raised instead of an answer."""
    refuse_after: tuple[int, ArtStoreError] | None = None
    """An upload is refused with this once so many bytes have come."""
    keep: bool = True
    """Whether the bytes of uploads are kept; large ones are only counted."""
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, uploads are not read on and downloads not sent on after their first chunk."""
    upload_began: asyncio.Event = field(default_factory=asyncio.Event)
    download_began: asyncio.Event = field(default_factory=asyncio.Event)
    download_ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a download has ended, in whatever way."""
    break_download: tuple[int, ArtStoreError] | None = None
    """A download fails with this after so many chunks."""

    def __post_init__(self) -> None:
        self.reading.set()

    def called(self, method: str) -> None:
        self.calls.append(method)
        self.request_ids.append(caller().request_id)
        if method in self.failures:
            raise self.failures[method]

    def add(self, content: bytes, **changes: Any) -> FileAttributes:
        """A document that is there already."""
        file = attributes(new_id(), content, "application/pdf", "report.pdf")
        file = replace(file, **changes)
        self.files[file.file_id] = file
        self.contents[file.file_id] = content
        return file

    def add_element(self, **changes: Any) -> Element:
        element = replace(an_element(), **changes)
        self.elements[element.element_id] = element
        return element


def attributes(file_id: str, content: bytes, content_type: str, name: str) -> FileAttributes:
    now = datetime(2026, 11, 21, 1, 30, 0, 123000, tzinfo=UTC)
    return FileAttributes(
        file_id=FileId(file_id), original_filename=name, content_type=content_type, size=len(content),
        sha256=hashlib.sha256(content).hexdigest(), uploaded_by=caller_subject(), uploaded_at=now, updated_at=now,
        retention_policy=wire.policy_from_proto(2),
    )  # fmt: skip


def caller_subject() -> Any:
    try:
        return caller().subject
    except LookupError:
        return CLIENT_ID


def an_element() -> Element:
    now = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    return Element(
        element_id=ElementId(new_id()), name="Main", storage_id=StorageId("se-rw-01"),
        element_uuid=ElementUuid(new_id()), endpoint="127.0.0.1:8010", mode=Mode.RW, status=ElementStatus.ONLINE,
        status_since=now, replica_mode=ReplicaMode.STANDALONE, role=Role.LEADER, capacity_bytes=1 << 40,
        used_bytes=5, available_bytes=1 << 39, files=1, version="0.1.0", created_at=now, last_seen_at=now,
    )  # fmt: skip


class _Admin(
    auth_pb2_grpc.AuthServiceServicer,
    auth_pb2_grpc.KeyServiceServicer,
    auth_pb2_grpc.TokenReadServiceServicer,
    elements_pb2_grpc.ElementReadServiceServicer,
    elements_pb2_grpc.ElementControlServiceServicer,
):
    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self.forms: list[dict[str, str]] = []

    async def IssueToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("IssueToken")
        form = dict(request.form)
        good = form.get("client_secret") == CLIENT_SECRET or request.authorization == "Basic c2FfdGVzdDpyaWdodA=="
        if not good:
            return auth_pb2.IssueTokenResponse(
                error=auth_pb2.OAuthError(error="invalid_client", error_description="no", http_status=401)
            )
        if form.get("grant_type") != "client_credentials":
            return auth_pb2.IssueTokenResponse(
                error=auth_pb2.OAuthError(error="unsupported_grant_type", error_description="no", http_status=400)
            )
        token = auth_pb2.Token(access_token=self._behind.keys.token(), token_type="Bearer", scope="files:read")
        token.expires_in.FromTimedelta(timedelta(minutes=30))
        return auth_pb2.IssueTokenResponse(token=token)

    async def RevokeToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("RevokeToken")
        self.forms.append(dict(request.form))
        if request.form["token"].count(".") == 2:
            error = auth_pb2.OAuthError(error="unsupported_token_type", error_description="no", http_status=400)
            return auth_pb2.RevokeTokenResponse(error=error)
        return auth_pb2.RevokeTokenResponse()

    async def IntrospectToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("IntrospectToken")
        known = TokenState(
            active=True, token_type="Bearer", scope="files:read", client_id="sa_x", subject="sa_x",
            audiences=("artstore",), issuer=ISSUER, token_id="one", issued_at=datetime(2026, 11, 21, 1, 30, tzinfo=UTC),
            expires_at=datetime(2026, 11, 21, 2, 0, tzinfo=UTC),
        )  # fmt: skip
        return wire.token_state_to_proto(known if request.token == "known" else TokenState(active=False))

    async def GetJwks(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("GetJwks")
        return auth_pb2.GetJwksResponse(jwks_json=json.dumps(await self._behind.keys.jwks()))

    async def ListElements(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("ListElements")
        mode = wire.mode_from_proto(request.mode) if request.mode else None
        found = [e for e in self._behind.elements.values() if mode in (None, e.mode)]
        page = wire.page_info_to_proto(Page(found, len(found), has_more=False))
        return elements_pb2.ListElementsResponse(elements=map(wire.element_to_proto, found), page=page)

    async def GetElement(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("GetElement")
        if request.element_id not in self._behind.elements:
            raise NotFound("There is no such element.")
        return elements_pb2.GetElementResponse(element=wire.element_to_proto(self._behind.elements[request.element_id]))

    async def RegisterElement(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("RegisterElement")
        known = [e for e in self._behind.elements.values() if e.endpoint == request.endpoint]
        element = known[0] if known else self._behind.add_element(endpoint=request.endpoint, name=request.name or "se")
        return elements_pb2.RegisterElementResponse(element=wire.element_to_proto(element), created=not known)

    async def DiscoverElement(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("DiscoverElement")
        known = next((e.element_id for e in self._behind.elements.values() if e.endpoint == request.endpoint), "")
        return elements_pb2.DiscoverElementResponse(info=wire.info_to_proto(info()), element_id=known)

    async def UpdateElement(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("UpdateElement")
        changes = {name: getattr(request, name) for name in ("name", "endpoint") if request.HasField(name)}
        element = replace(self._behind.elements[request.element_id], **changes)
        self._behind.elements[request.element_id] = element
        return elements_pb2.UpdateElementResponse(element=wire.element_to_proto(element))

    async def RemoveElement(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("RemoveElement")
        if not request.force:
            raise Conflict("The registry has files of it.")
        del self._behind.elements[request.element_id]
        return elements_pb2.RemoveElementResponse(files=3)


class _Ingester(ingester_pb2_grpc.IngestServiceServicer):
    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def Upload(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        behind = self._behind
        behind.called("Upload")
        upload = Received(wire.new_file_from_proto((await anext(requests)).header))
        behind.uploads.append(upload)
        behind.upload_began.set()
        try:
            return await self._receive(upload, requests)
        finally:
            upload.ended.set()

    async def _receive(self, upload: Received, requests: AsyncIterator[Any]) -> Any:
        behind, size = self._behind, 0
        async for request in requests:
            await behind.reading.wait()
            if request.HasField("commit"):
                upload.committed = True
                upload.declared = request.commit.sha256 or None
                break
            size += len(request.chunk)
            upload.chunks.append(len(request.chunk))
            if behind.keep:
                upload.content += request.chunk
            if behind.refuse_after is not None and size > behind.refuse_after[0]:
                raise behind.refuse_after[1]
        if not upload.committed:
            raise ChecksumMismatch("the stream ended without a commit")
        header = upload.header
        file = attributes(new_id(), bytes(upload.content), header.content_type, header.original_filename)
        file = replace(
            file, size=size, description=header.description, tags=header.tags, metadata=header.metadata,
            retention_policy=header.retention_policy, ttl=header.ttl,
        )  # fmt: skip
        if upload.declared not in (None, file.sha256):
            raise ChecksumMismatch("the bytes have another SHA-256 than declared")
        behind.files[file.file_id] = file
        behind.contents[file.file_id] = bytes(upload.content)
        return ingester_pb2.UploadResponse(file=wire.file_to_proto(file))

    async def UpdateFile(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("UpdateFile")
        file = _known(self._behind, request.file_id)
        change = wire.change_from_proto(request.change)
        file = replace(
            file,
            description=file.description if change.description is None else change.description,
            tags=file.tags if change.tags is None else change.tags,
            metadata=file.metadata if change.metadata is None else change.metadata,
            revision=max(file.revision, request.expected_revision) + 1,
        )
        self._behind.files[file.file_id] = file
        return ingester_pb2.UpdateFileResponse(file=wire.file_to_proto(file))

    async def DeleteFile(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("DeleteFile")
        file = replace(_known(self._behind, request.file_id), status=FileStatus.DELETED)
        self._behind.files[file.file_id] = file
        return ingester_pb2.DeleteFileResponse(file=wire.file_to_proto(file))


class _Query(query_pb2_grpc.QueryServiceServicer):
    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("Search")
        self._behind.searches.append(wire.search_from_proto(request))
        hits = [SearchHit(file, 0.5) for file in self._behind.files.values()]
        page = wire.page_info_to_proto(Page(hits, len(hits), has_more=True, next_cursor="next"))
        return query_pb2.SearchResponse(hits=map(wire.hit_to_proto, hits), page=page)

    async def GetFile(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._behind.called("GetFile")
        return query_pb2.GetFileResponse(file=wire.file_to_proto(_known(self._behind, request.file_id)))

    async def Download(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        behind = self._behind
        behind.called("Download")
        file = _known(behind, request.file_id)
        wanted = wire.range_from_proto(request.range) if request.HasField("range") else None
        behind.download_began.set()
        header = query_pb2.DownloadHeader(
            file=wire.file_to_proto(file), range=None if wanted is None else wire.range_to_proto(wanted)
        )
        try:
            yield query_pb2.DownloadResponse(header=header)
            async for frame in self._content(file, wanted):
                yield frame
        finally:
            behind.download_ended.set()

    async def _content(self, file: FileAttributes, wanted: ByteRange | None) -> AsyncIterator[Any]:
        content = self._behind.contents[file.file_id]
        content = content if wanted is None else content[wanted.first : wanted.last + 1]
        for number, at in enumerate(range(0, len(content), CHUNK), 1):
            yield query_pb2.DownloadResponse(chunk=content[at : at + CHUNK])
            if self._behind.break_download is not None and self._behind.break_download[0] == number:
                raise self._behind.break_download[1]
            await self._behind.reading.wait()
        trailer = DownloadTrailer(len(content), file.sha256 if wanted is None else None)
        yield query_pb2.DownloadResponse(trailer=wire.trailer_to_proto(trailer))


def _known(behind: Behind, file_id: str) -> FileAttributes:
    if file_id not in behind.files:
        raise NotFound("There is no such file.")
    return behind.files[file_id]


@cache
def _metrics(module: str) -> RpcMetrics:
    """A metric's name exists once in a process, but tests start these servers many times."""
    return RpcMetrics(f"fake_{module}")


class Servers:
    """The three servers; each can be stopped and started again at its port."""

    def __init__(self, certificates: Certificates, behind: Behind, *, streams: int = 256) -> None:
        """`streams`: calls that one connection may have under way."""
        self._certificates = certificates
        self._options = [*_OPTIONS, ("grpc.max_concurrent_streams", streams)]
        self.behind = behind
        self.addresses = {module: f"127.0.0.1:{free_port()}" for module in MODULES}
        self._running: dict[str, grpc.aio.Server] = {}

    async def start(self, module: str) -> None:
        verifier = TokenVerifier(self.behind.keys, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
        interceptor = CallInterceptor(authenticator=BearerAuthenticator(verifier), metrics=_metrics(module))
        server = grpc.aio.server(interceptors=[interceptor], options=self._options)
        match module:
            case "admin":
                admin = _Admin(self.behind)
                auth_pb2_grpc.add_AuthServiceServicer_to_server(admin, server)
                auth_pb2_grpc.add_KeyServiceServicer_to_server(admin, server)
                auth_pb2_grpc.add_TokenReadServiceServicer_to_server(admin, server)
                elements_pb2_grpc.add_ElementReadServiceServicer_to_server(admin, server)
                elements_pb2_grpc.add_ElementControlServiceServicer_to_server(admin, server)
            case "ingester":
                ingester_pb2_grpc.add_IngestServiceServicer_to_server(_Ingester(self.behind), server)
            case "query":
                query_pb2_grpc.add_QueryServiceServicer_to_server(_Query(self.behind), server)
        well = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(well, server)
        server.add_secure_port(self.addresses[module], self._certificates.module(module).server_credentials())
        await server.start()
        await well.set("", health_pb2.HealthCheckResponse.SERVING)
        self._running[module] = server

    async def stop(self, module: str) -> None:
        if module in self._running:
            await self._running.pop(module).stop(grace=None)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for module in MODULES:
                await self.start(module)
                stack.push_async_callback(self.stop, module)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def behind_the_edge(certificates: Certificates, *, streams: int = 256) -> AsyncIterator[Servers]:
    """All three, for as long as the block runs."""
    async with Servers(certificates, Behind(SigningKeys()), streams=streams) as servers:
        yield servers
