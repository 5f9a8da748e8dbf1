"""The listener itself: TLS, protocols, administration, draining."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from services.standalone import envoy, software, tracing
from tests.service.envoy.conftest import Door, Doors
from tests.service.envoy.fake_gateway import SLOW

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rendered(doors: Doors, name: str) -> Path:
    folder = doors.folder / name
    edge, _ = doors.edge(folder, gateway_port=1, port=1)
    (folder / "envoy.yaml").write_text(edge.render())
    return folder / "envoy.yaml"


async def test_envoy_finds_the_configuration_valid_and_nothing_in_it_deprecated(doors: Doors) -> None:
    path = rendered(doors, "validated")
    checked = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [software.envoy(), "--mode", "validate", "--config-path", path, "--disable-hot-restart"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "deprecated" not in checked.stderr.lower()


@pytest.mark.parametrize("sampler", sorted(tracing.SAMPLERS))
async def test_envoy_understands_how_it_shall_trace(doors: Doors, sampler: str) -> None:
    edge, _ = doors.edge(doors.folder / "traced", gateway_port=1, port=1)
    variables = {
        tracing.ENDPOINT: "https://localhost:4317",
        tracing.CERTIFICATE: str(edge.ca),
        tracing.HEADERS: "api-key=x",
        tracing.SAMPLER: sampler,
        tracing.RATIO: "0.1",
    }
    path = doors.folder / "traced" / "envoy.yaml"
    path.write_text(replace(edge, tracing=tracing.tracing(variables)).render())
    checked = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [software.envoy(), "--mode", "validate", "--config-path", path, "--disable-hot-restart"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "deprecated" not in checked.stderr.lower()


async def test_the_filters_stand_in_the_order_that_was_decided(doors: Doors) -> None:
    configuration = yaml.safe_load(rendered(doors, "order").read_text())
    manager = configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    names = [each["name"].removeprefix("envoy.filters.http.") for each in manager["http_filters"]]
    assert names == [
        *("request-id", "cors", "local_ratelimit", "jwt_authn"),
        *("buffer", "compressor", "grpc_json_transcoder", "router"),
    ]


async def test_transfers_have_no_end_but_one_of_silence_and_only_downloads_are_retried(doors: Doors) -> None:
    configuration = yaml.safe_load(rendered(doors, "routes").read_text())
    manager = configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    routes = [each for each in manager["route_config"]["virtual_hosts"][0]["routes"] if "route" in each]
    routes = [each for each in routes if each["route"]["cluster"] == "gateway"]
    # Everything else has an end: a verification, which moves no bytes through here, after minutes.
    transfers = [each["route"] for each in routes if "max_stream_duration" not in each["route"]]
    endless = {"cluster": "gateway", "timeout": "0s", "idle_timeout": "120s"}
    *uploads, download = transfers
    assert uploads == [endless] * 4
    assert {key: download[key] for key in endless} == endless
    assert "retry_policy" in download


@pytest.mark.parametrize(("version", "accepted"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
async def test_tls_begins_with_1_2(door: Door, version: str, accepted: bool) -> None:
    context = ssl.create_default_context(cafile=door.folder / "ca.pem")
    if not accepted:
        # OpenSSL itself would not offer it otherwise, and its modules warn of it.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    wanted = ssl.TLSVersion[version]
    with pytest.warns(DeprecationWarning, match="TLSv1_1") if not accepted else contextlib.nullcontext():
        context.minimum_version = context.maximum_version = wanted
    with contextlib.nullcontext() if accepted else pytest.raises(ssl.SSLError):
        _, writer = await asyncio.open_connection("localhost", door.port, ssl=context)
        assert writer.get_extra_info("ssl_object").version() == version.replace("_", ".")
        writer.close()


async def test_the_certificate_stands_strict_verification_by_name_and_address(door: Door) -> None:
    context = ssl.create_default_context(cafile=door.folder / "ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=context, server_hostname=name)
        writer.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", door.port, ssl=context, server_hostname="gateway.artstore.internal")


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")])
async def test_http_2_is_preferred(door: Door, offered: list[str], chosen: str) -> None:
    context = ssl.create_default_context(cafile=door.folder / "ca.pem")
    context.set_alpn_protocols(offered)
    _, writer = await asyncio.open_connection("localhost", door.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
    writer.close()


async def test_plain_http_gets_nothing(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert door.gateway.seen == []


async def test_its_administration_is_a_private_socket_and_no_port(door: Door) -> None:
    mode = door.admin_socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    listening = {
        connection.laddr.port
        for connection in psutil.Process(door.child.identity.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {door.port}


async def test_a_drain_answers_what_is_in_flight_and_takes_no_more(doors: Doors) -> None:
    door = await doors.open("drained")
    try:
        asking = asyncio.create_task(door.ask("GET", SLOW, token=door.keys.token()))
        await asyncio.wait_for(door.gateway.asked.wait(), 10)
        draining = asyncio.create_task(envoy.drain(door.admin_socket))
        await door.until_closed()
        assert not draining.done()
        door.gateway.may_answer.set()
        answer = await asking
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        await asyncio.wait_for(draining, 10)
    finally:
        await doors.close(door)
