"""gRPC through the public door: with generated stubs, with grpcurl and with buf."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from artstore.admin.v1 import elements_pb2, elements_pb2_grpc, health_pb2, health_pb2_grpc, registry_pb2
from artstore.ingester.v1 import ingester_pb2, ingester_pb2_grpc
from artstore.query.v1 import query_pb2, query_pb2_grpc
from artstore.types.v1 import element_pb2, file_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection_pb2

from services.chassis import contract
from tests.support.mesh import Mesh

BIN = Path(sys.executable).parent
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
TIMEOUT = 30
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    """As a stranger opens it: with the public authority and no certificate."""
    credentials = grpc.ssl_channel_credentials(Path(mesh.info["ca_cert"]).read_bytes())
    with grpc.secure_channel(mesh.info["grpc_address"], credentials) as made:
        yield made


@pytest.fixture
def authorized(token: str) -> Metadata:
    return bearer(token)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Status and the reason in `ErrorInfo`, which is empty where Envoy itself refuses."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    assert isinstance(error, grpc.Call)
    trailers = dict(error.trailing_metadata() or ())
    reason = ""
    if (packed := trailers.get("grpc-status-details-bin")) is not None:
        info = error_details_pb2.ErrorInfo()
        assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
        assert info.domain == "artstore"
        reason = info.reason
    return error.code(), reason


def frames(data: bytes, name: str, word: str) -> Iterator[ingester_pb2.UploadRequest]:
    header = file_pb2.NewFile(
        original_filename=name,
        retention_policy=file_pb2.RETENTION_POLICY_TEMPORARY,
        ttl=Duration(seconds=86400),
        tags=[word],
    )
    yield ingester_pb2.UploadRequest(header=header)
    for start in range(0, len(data), 1 << 19):
        yield ingester_pb2.UploadRequest(chunk=data[start : start + (1 << 19)])
    commit = file_pb2.UploadCommit(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    yield ingester_pb2.UploadRequest(commit=commit)


def test_a_document_goes_in_and_comes_back_in_streams(channel: grpc.Channel, authorized: Metadata, word: str) -> None:
    data = os.urandom((5 << 20) + 3)
    ingester = ingester_pb2_grpc.IngestServiceStub(channel)
    query = query_pb2_grpc.QueryServiceStub(channel)
    stored = ingester.Upload(frames(data, f"{word}.bin", word), metadata=authorized, timeout=TIMEOUT).file
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    found = query.Search(query_pb2.SearchRequest(tags=[word]), metadata=authorized, timeout=TIMEOUT)
    assert [hit.file.file_id for hit in found.hits] == [stored.file_id]
    wanted = query_pb2.DownloadRequest(file_id=stored.file_id)
    answers = list(query.Download(wanted, metadata=authorized, timeout=TIMEOUT))
    assert answers[0].header.file.file_id == stored.file_id
    assert answers[-1].HasField("trailer")
    assert b"".join(each.chunk for each in answers[1:-1]) == data
    deleted = ingester.DeleteFile(
        ingester_pb2.DeleteFileRequest(file_id=stored.file_id), metadata=authorized, timeout=TIMEOUT
    )
    assert deleted.file.status == file_pb2.FILE_STATUS_DELETED


def test_an_upload_without_its_commit_keeps_nothing(channel: grpc.Channel, authorized: Metadata, word: str) -> None:
    cut = list(frames(b"abc", word, word))[:-1]
    ingester = ingester_pb2_grpc.IngestServiceStub(channel)
    code, _ = refusal(lambda: ingester.Upload(iter(cut), metadata=authorized, timeout=TIMEOUT))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    query = query_pb2_grpc.QueryServiceStub(channel)
    assert not query.Search(query_pb2.SearchRequest(tags=[word]), metadata=authorized, timeout=TIMEOUT).hits


def test_an_error_of_a_service_keeps_its_details(channel: grpc.Channel, authorized: Metadata) -> None:
    query = query_pb2_grpc.QueryServiceStub(channel)
    ask = query_pb2.GetFileRequest(file_id=UNKNOWN)
    assert refusal(lambda: query.GetFile(ask, metadata=authorized, timeout=TIMEOUT)) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
    )


def test_a_watch_tells_of_every_element(channel: grpc.Channel, authorized: Metadata) -> None:
    watch = health_pb2_grpc.HealthWatchServiceStub(channel).WatchElements(
        health_pb2.WatchElementsRequest(), metadata=authorized, timeout=TIMEOUT
    )
    told = [next(watch).element for _ in range(2)]
    watch.cancel()
    assert {each.storage_id for each in told} == {"se-edit-01", "se-rw-01"}
    assert {each.status for each in told} == {element_pb2.ELEMENT_STATUS_ONLINE}


@pytest.mark.parametrize("given", [None, "garbage", "a.b.c"])
def test_without_a_valid_token_it_is_unauthenticated(channel: grpc.Channel, given: str | None) -> None:
    query = query_pb2_grpc.QueryServiceStub(channel)
    metadata = bearer(given) if given else ()
    ask = query_pb2.GetFileRequest(file_id=UNKNOWN)
    code, _ = refusal(lambda: query.GetFile(ask, metadata=metadata, timeout=TIMEOUT))
    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_without_the_scope_it_is_forbidden(mesh: Mesh, channel: grpc.Channel) -> None:
    elements = elements_pb2_grpc.ElementReadServiceStub(channel)
    metadata = bearer(mesh.token("files:read"))
    assert refusal(
        lambda: elements.ListElements(elements_pb2.ListElementsRequest(), metadata=metadata, timeout=TIMEOUT)
    ) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")


INTERNAL = sorted(
    f"/{service.full_name}/{method.name}"
    for service in contract.services()
    for method in service.methods
    if service.full_name not in contract.public_services()
)


@pytest.mark.parametrize(
    "method", [*INTERNAL, "/grpc.health.v1.Health/Check", "/artstore.query.v1.QueryService/Nothing", "/nothing/Here"]
)
def test_what_is_not_for_outside_does_not_exist_here(channel: grpc.Channel, authorized: Metadata, method: str) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    code, _ = refusal(lambda: call(b"", metadata=authorized, timeout=TIMEOUT))
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_that_is_too_large_is_refused(channel: grpc.Channel, authorized: Metadata) -> None:
    query = query_pb2_grpc.QueryServiceStub(channel)
    large = query_pb2.SearchRequest(query="x" * (5 << 20))
    code, _ = refusal(lambda: query.Search(large, metadata=authorized, timeout=TIMEOUT))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_shows_exactly_the_public_services(
    channel: grpc.Channel, authorized: Metadata, version: str
) -> None:
    reflect = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    registry = registry_pb2.DESCRIPTOR
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services="*"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="artstore.query.v1.QueryService"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="artstore.admin.v1.PlacementService"),
        reflection_pb2.ServerReflectionRequest(file_by_filename=registry.name),
    ]
    listed, shown, internal, hidden = reflect(iter(asked), metadata=authorized, timeout=TIMEOUT)
    assert [each.name for each in listed.list_services_response.service] == contract.public_services()
    assert shown.HasField("file_descriptor_response")
    assert internal.error_response.error_code == hidden.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    code, _ = refusal(lambda: list(reflect(iter(asked[:1]), timeout=TIMEOUT)))
    assert code is grpc.StatusCode.UNAUTHENTICATED


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, timeout=60, check=False
    )


class TestGrpcurl:
    """What an operator types."""

    @pytest.fixture
    def grpcurl(self, mesh: Mesh, token: str) -> Callable[..., subprocess.CompletedProcess[str]]:
        def ask(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
            door = ("-cacert", mesh.info["ca_cert"], "-H", f"authorization: Bearer {token}")
            return run("grpcurl", *door, *options, mesh.info["grpc_address"], *arguments)

        return ask

    def test_lists_and_describes(self, grpcurl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        assert grpcurl("list").stdout.split() == contract.public_services()
        described = grpcurl("describe", "artstore.ingester.v1.IngestService.Upload").stdout
        assert "stream .artstore.ingester.v1.UploadRequest" in described

    def test_calls(self, grpcurl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = grpcurl("artstore.admin.v1.ElementReadService/ListElements")
        assert [each["storage_id"] for each in json.loads(done.stdout)["elements"]] == ["se-edit-01", "se-rw-01"]

    def test_shows_the_details_of_errors(self, grpcurl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        options = ("-d", json.dumps({"file_id": UNKNOWN}))
        done = grpcurl("artstore.query.v1.QueryService/GetFile", options=options)
        assert "Code: NotFound" in done.stderr
        assert '"reason":"NOT_FOUND"' in done.stderr


def test_buf_curl_lists_and_calls(mesh: Mesh, token: str) -> None:
    door = ("--cacert", mesh.info["ca_cert"], "--protocol", "grpc", "--header", f"authorization: Bearer {token}")
    reflected = ("--reflect-header", f"authorization: Bearer {token}")
    listed = run("buf", "curl", *door, *reflected, "--list-services", mesh.info["base_url"])
    assert listed.stdout.split() == contract.public_services(), listed.stderr
    method = f"{mesh.info['base_url']}/artstore.query.v1.QueryService/Search"
    done = run("buf", "curl", *door, *reflected, "-d", '{"filename": "nothing-is-called-so"}', method)
    assert "page" in json.loads(done.stdout), done.stderr


class TestDirectly:
    """At a service's own port, past the door: the module's certificate decides."""

    @pytest.mark.parametrize(
        ("module", "service"), [("storage", "query"), ("ingester", "query"), ("query", "ingester")]
    )
    def test_the_certificate_of_the_wrong_module_is_refused(
        self, mesh: Mesh, authorized: Metadata, module: str, service: str
    ) -> None:
        folder = mesh.home / "certificates"
        name = {"storage": "se-rw-01"}.get(module, module)
        credentials = grpc.ssl_channel_credentials(
            Path(mesh.info["ca_cert"]).read_bytes(),
            (folder / f"{name}.key").read_bytes(),
            (folder / f"{name}.pem").read_bytes(),
        )
        options = [("grpc.ssl_target_name_override", f"{service}.artstore.internal")]
        address = f"127.0.0.1:{mesh.info['processes'][service]['grpc']}"
        package = {"query": "query.v1.QueryService/GetFile", "ingester": "ingester.v1.IngestService/DeleteFile"}
        with grpc.secure_channel(address, credentials, options) as channel:
            path = f"/artstore.{package[service]}"
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            assert refusal(lambda: call(b"", metadata=authorized, timeout=TIMEOUT)) == (
                grpc.StatusCode.PERMISSION_DENIED,
                "FORBIDDEN",
            )
