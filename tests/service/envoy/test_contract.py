"""What the door lets in is what the protos call public: no more, no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from artstore.auth.v1 import requires_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from services.chassis import contract
from services.standalone import envoy
from services.standalone.certificates import Issued

PUBLIC = contract.public_services()
REFLECTION = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


@pytest.fixture(scope="module")
def manager() -> dict[str, Any]:
    """The HTTP connection manager of the rendered configuration."""
    nowhere, address = Path("/nowhere"), ("127.0.0.1", 1)
    edge = envoy.Edge(
        addresses=["127.0.0.1"],
        port=1,
        public=Issued(nowhere, nowhere),
        edge=Issued(nowhere, nowhere),
        ca=nowhere,
        gateway=address,
        admin=address,
        ingester=address,
        query=address,
        descriptors=nowhere,
        issuer="https://localhost",
        audience="artstore",
        admin_socket=nowhere,
        access_log=nowhere,
    )
    listener = yaml.safe_load(edge.render())["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def routes(manager: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return found


def service(name: str) -> ServiceDescriptor:
    return next(each for each in contract.services() if each.full_name == name)


def methods(name: str) -> list[MethodDescriptor]:
    return list(service(name).methods)


def carries_bytes(method: MethodDescriptor) -> bool:
    """Whether it streams a document's content."""
    return any("chunk" in message.fields_by_name for message in (method.input_type, method.output_type))


def test_the_grpc_routes_are_the_public_services_one_by_one_and_each_leads_to_its_own(manager: dict[str, Any]) -> None:
    grpc = [each for each in routes(manager) if "grpc" in each["match"]]
    named = {str(each["match"].get("prefix") or each["match"]["path"]): each["route"]["cluster"] for each in grpc}
    ours = {f"/{name}/": name.split(".")[1] for name in PUBLIC}
    ours |= {f"/artstore.admin.v1.{name}/": "admin_watch" for name in ("HealthWatchService", "OperationWatchService")}
    assert named == {**ours, **{f"/{name}/ServerReflectionInfo": "admin" for name in REFLECTION}}


def test_json_is_transcoded_for_the_same_services_and_only_under_rpc(manager: dict[str, Any]) -> None:
    key = "envoy.filters.http.grpc_json_transcoder"
    everywhere = next(each["typed_config"] for each in manager["http_filters"] if each["name"] == key)
    assert everywhere["services"] == []
    transcoded = [each for each in routes(manager) if key in each.get("typed_per_filter_config", {})]
    assert {str(each["match"].get("prefix") or each["match"]["path"]).split("/")[1] for each in transcoded} == {"rpc"}
    assert all(sorted(each["typed_per_filter_config"][key]["services"]) == PUBLIC for each in transcoded)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_service_is_public_as_a_whole_or_not(name: str) -> None:
    assert all(map(contract.is_public, methods(name)))


@pytest.mark.parametrize("name", [each.full_name for each in contract.services()])
def test_json_reaches_every_public_call_but_streams_of_bytes_and_no_other(name: str) -> None:
    for method in methods(name):
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        path = rule.get or rule.post or rule.patch or rule.delete or rule.put
        prefix = f"/rpc/v1/{name.split('.')[1]}/"
        wanted = name in PUBLIC and not carries_bytes(method)
        assert path.startswith(prefix) if wanted else path == "", f"{method.full_name}: {path!r}"
        # A stream of requests has no shape in JSON here, whatever it carries.
        assert not (wanted and method.client_streaming)


def test_the_descriptors_show_the_public_services_alone() -> None:
    shown = FileDescriptorSet.FromString(envoy.descriptors())
    names = [f"{file.package}.{each.name}" for file in shown.file for each in file.service]
    assert sorted(names) == PUBLIC
    assert "google/rpc/error_details.proto" in {file.name for file in shown.file}
    assert all("edge" in m.GetOptions().Extensions[requires_pb2.requires].callers for n in PUBLIC for m in methods(n))
