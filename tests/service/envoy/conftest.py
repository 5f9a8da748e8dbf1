"""A real Envoy with the edge configuration, before a gateway that remembers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from services.standalone import certificates, envoy, probes, software
from services.standalone.processes import Child
from services.standalone.programs import Program
from tests.doubles.keys import AUDIENCE, ISSUER, SigningKeys
from tests.service.envoy.fake_gateway import FakeGateway
from tests.support.certificates import Certificates
from tests.support.processes import free_port

Change = Callable[[dict[str, Any]], None]


@dataclass
class Door:
    """Envoy under test."""

    port: int
    folder: Path
    context: ssl.SSLContext
    admin_socket: Path
    access_log: Path
    child: Child
    gateway: FakeGateway
    keys: SigningKeys

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"https://localhost:{self.port}", verify=self.context, **options)

    async def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.client(timeout=20) as client:
            return await client.request(method, path, headers=headers, **options)

    async def until_closed(self) -> None:
        """Wait until it takes no more connections."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.01)

    async def until_stat(self, name: str, *, at_least: int = 0, at_most: int = sys.maxsize) -> None:
        """Wait until one of Envoy's counters is within these bounds."""
        async with asyncio.timeout(10):
            while True:
                _, body = await probes.request("GET", f"/stats?filter=^{re.escape(name)}$", self.admin_socket)
                found = re.search(rf"^{re.escape(name)}: (\d+)", body, re.MULTILINE)
                if found and at_least <= int(found[1]) <= at_most:
                    return
                await asyncio.sleep(0.01)

    async def logged(self, *, until: str) -> list[dict[str, Any]]:
        """Return the access log once it holds the request with this id."""
        async with asyncio.timeout(20):
            while True:
                await probes.request("POST", "/reopen_logs", self.admin_socket)
                lines = [json.loads(line) for line in self.access_log.read_text().splitlines()]
                if any(line["request_id"] == until for line in lines):
                    return lines
                await asyncio.sleep(0.05)


@dataclass
class Doors:
    """Starts Envoys; each with a gateway of its own."""

    folder: Path
    keys: SigningKeys

    def edge(self, folder: Path, *, gateway_port: int, port: int) -> tuple[envoy.Edge, Certificates]:
        authority = Certificates(folder)
        authority.module("gateway")
        issued, _ = certificates.ensure(
            folder, folder / "ca.pem", [certificates.module("edge"), certificates.public()], datetime.now(UTC)
        )
        nobody = ("127.0.0.1", free_port())
        descriptors = folder / "descriptors.binpb"
        descriptors.write_bytes(envoy.descriptors())
        return (
            envoy.Edge(
                addresses=["127.0.0.1"],
                port=port,
                public=issued["public"],
                edge=issued["edge"],
                ca=folder / "ca.pem",
                gateway=("127.0.0.1", gateway_port),
                admin=nobody,
                ingester=nobody,
                query=nobody,
                descriptors=descriptors,
                issuer=ISSUER,
                audience=AUDIENCE,
                admin_socket=folder / "admin.sock",
                access_log=folder / "access.log",
                jwks_cache="1s",
            ),
            authority,
        )

    async def open(
        self, name: str, *, change: Change | None = None, gateway_module: str = "gateway", **settings: Any
    ) -> Door:
        """Start one with `settings` of `Edge`.

        `change` edits the configuration (timeouts that a test does not want to wait for).
        """
        folder = self.folder / name
        port, gateway_port = free_port(), free_port()
        edge, authority = self.edge(folder, gateway_port=gateway_port, port=port)
        configuration = yaml.safe_load(replace(edge, **settings).render())
        if change:
            change(configuration)
        (folder / "envoy.yaml").write_text(yaml.safe_dump(configuration))
        gateway = FakeGateway(authority.module(gateway_module), gateway_port, self.keys)
        await gateway.start()
        child = await Child.spawn(
            Program(
                "envoy",
                envoy.command(software.envoy(), folder / "envoy.yaml"),
                {"PATH": os.defpath},
                folder,
                probes.http("/ready", edge.admin_socket),
            ),
            folder / "envoy.log",
        )
        await child.until_ready()
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        return Door(port, folder, context, edge.admin_socket, edge.access_log, child, gateway, self.keys)

    async def close(self, door: Door) -> None:
        door.child.terminate()
        await door.child.wait()
        await door.gateway.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    return Doors(tmp_path_factory.mktemp("edge"), SigningKeys())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_door(doors: Doors) -> AsyncIterator[Door]:
    door = await doors.open("shared")
    yield door
    await doors.close(door)


@pytest.fixture
def door(shared_door: Door) -> Door:
    shared_door.gateway.forget()
    return shared_door


@pytest.fixture
def token(door: Door) -> str:
    return door.keys.token()
