"""The gateway as Envoy sees it: a real process behind mutual TLS, and the three services that it calls."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.chassis.tls import TlsFiles
from tests.doubles.behind_the_edge import Behind, Servers, behind_the_edge
from tests.doubles.keys import ISSUER
from tests.support.certificates import Certificates, environment
from tests.support.processes import Running, free_port

NAME = "gateway.artstore.internal"
EVERYTHING = "files:read files:write storage:read storage:write"


@dataclass
class Edge:
    """A running gateway and what is behind it."""

    process: Running
    port: int
    certificates: Certificates
    servers: Servers

    @property
    def behind(self) -> Behind:
        return self.servers.behind

    def tls(self, module: str = "edge") -> ssl.SSLContext:
        """How `module` calls: with its certificate, trusting only our authority."""
        return client_context(self.certificates.module(module))

    def token(self, scope: str = EVERYTHING, **claims: Any) -> str:
        return self.behind.keys.token(scope=scope, **claims)

    async def call(
        self, method: str, path: str, *, token: str | None = "", headers: Mapping[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        """One request on a connection of its own; `token` None: none."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token()}"
        base = f"https://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(verify=self.tls(), base_url=base, timeout=30) as client:
            return await client.request(method, path, headers=sent, extensions={"sni_hostname": NAME}, **rest)

    async def restart(self, module: str) -> None:
        """Start a stopped service again and return when the gateway has found it."""
        await self.servers.start(module)
        await self.well()

    async def well(self) -> None:
        """Return when the gateway reaches every service."""
        async with asyncio.timeout(10):
            # The gateway's channel connects again when it sees fit, and tells nobody.
            while (await self.call("GET", "/api/v1/health/ready", token=None)).json()["status"] != "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def connect(self, module: str = "edge") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare TLS connection, for what well-behaved clients never do."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls(module), server_hostname=NAME)

    def head(self, method: str, path: str, *lines: str, token: str | None = None) -> bytes:
        """The head of a request, to be written to a bare connection."""
        bearer = f"Authorization: Bearer {token or self.token()}"
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {NAME}", bearer, *lines, "", ""]).encode()


def client_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.load_cert_chain(tls.cert, tls.key)
    return context


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error that an answer carries, which must have the one format."""
    assert answer.headers["content-type"] == "application/json", answer.text
    found = json.loads(answer.content)
    assert set(found) == {"error"}, answer.text
    error: dict[str, Any] = found["error"]
    assert {"code", "message", "request_id"} <= set(error) <= {"code", "message", "request_id", "details"}, answer.text
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


def fields_of(answer: httpx.Response) -> list[str]:
    """The fields that a VALIDATION_ERROR names."""
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR"), answer.text
    return [detail["field"] for detail in error.get("details", [])]


@asynccontextmanager
async def running_edge(folder: Path, *, streams: int = 256, **settings: str) -> AsyncIterator[Edge]:
    """A gateway for as long as the block runs. `streams`: see `Servers`; `settings`: further ones, without prefix."""
    certificates = Certificates(folder / "tls")
    async with behind_the_edge(certificates, streams=streams) as servers:
        port, ops = free_port(), free_port()
        process = Running.start(
            "gateway",
            {
                **environment("GW_", certificates.module("gateway")),
                "GW_PORT": str(port),
                "GW_OPS_PORT": str(ops),
                "GW_TOKEN_ISSUER": ISSUER,
                "GW_PUBLIC_URL": ISSUER,
                "GW_ADMIN_ADDR": servers.addresses["admin"],
                "GW_INGESTER_ADDR": servers.addresses["ingester"],
                "GW_QUERY_ADDR": servers.addresses["query"],
                "GW_SHUTDOWN_TIMEOUT": "2s",
                **{f"GW_{name}": value for name, value in settings.items()},
            },
            ops_port=ops,
            log=folder / "gateway.log",
        )
        try:
            await process.ready()
            yield Edge(process, port, certificates, servers)
        finally:
            status = process.stop()
        assert status == 0, process.log
