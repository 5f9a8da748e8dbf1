"""What the edge shows of itself: who may connect, health, the OpenAPI document and its page."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import pytest

from services.chassis.tls import TlsFiles
from tests.doubles.behind_the_edge import Behind
from tests.service.gateway.edge import NAME, Edge, client_context, error_of
from tests.support.certificates import Certificates

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refused(edge: Edge, context: ssl.SSLContext) -> bool:
    """Whether a connection with this context gets no answer at all."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=context, server_hostname=NAME)
        writer.write(f"GET /api/v1/health/live HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.read(1)
        writer.transport.abort()
    except (ssl.SSLError, ConnectionError):
        return True
    return answer == b""


async def test_only_the_edge_may_connect(edge: Edge) -> None:
    assert not await refused(edge, edge.tls("edge"))
    for module in ("gateway", "ingester", "admin"):
        assert await refused(edge, edge.tls(module))
    assert await refused(edge, client_context(edge.certificates.element("se-rw-01")))


async def test_without_a_certificate_of_ours_nobody_connects(edge: Edge, tmp_path: Any) -> None:
    ours = edge.certificates.module("edge")
    assert await refused(edge, ssl.create_default_context(cafile=str(ours.ca)))
    foreign = Certificates(tmp_path).module("edge")
    assert await refused(edge, client_context(TlsFiles(cert=foreign.cert, key=foreign.key, ca=ours.ca)))


async def test_only_tls_1_3_is_spoken(edge: Edge) -> None:
    context = edge.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await refused(edge, context)


@pytest.mark.parametrize("base", ["", "/api/v1"])
async def test_health_is_public_at_both_addresses(edge: Edge, base: str) -> None:
    live = (await edge.call("GET", f"{base}/health/live", token=None)).json()
    assert (live["status"], live["service"]) == ("ok", "gateway")
    assert {"timestamp", "version"} <= set(live)
    ready = (await edge.call("GET", f"{base}/health/ready", token=None)).json()
    assert ready["status"] == "ok"
    assert set(ready["checks"]) == {"admin", "ingester", "query"}
    assert all(check["status"] == "ok" and check["latency_ms"] >= 0 for check in ready["checks"].values())


async def test_ready_says_what_is_away_and_fails_when_all_is(edge: Edge) -> None:
    await edge.servers.stop("query")
    try:
        answer = await edge.call("GET", "/api/v1/health/ready", token=None)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["checks"]["query"]["status"] == "fail"
        await edge.servers.stop("admin")
        await edge.servers.stop("ingester")
        answer = await edge.call("GET", "/api/v1/health/ready", token=None)
        assert (answer.status_code, answer.json()["status"]) == (503, "fail")
        assert edge.servers.addresses["admin"] not in answer.text
    finally:
        for module in ("admin", "ingester", "query"):
            await edge.servers.start(module)
        await edge.well()


async def test_the_document_is_public_and_complete(edge: Edge) -> None:
    document = (await edge.call("GET", "/api/v1/openapi.json", token=None)).json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    parts = document["paths"]["/files/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert list(parts["properties"]) == ["metadata", "file"]


async def test_every_operation_in_the_document_exists_and_refuses_strangers(edge: Edge) -> None:
    document = (await edge.call("GET", "/api/v1/openapi.json", token=None)).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = "/api/v1" + re.sub(r"\{.*?\}", "0198c0de-0000-7000-8000-000000000000", path)
            answer = await edge.call(method.upper(), address, token=None)
            public = operation.get("security") == [] or path == "/auth/token"
            assert (answer.status_code == 401) is not public, (method, path, answer.status_code)
            assert str(answer.status_code) in operation["responses"], (method, path, answer.status_code)


async def test_the_page_and_all_that_it_loads_come_from_here(edge: Edge) -> None:
    page = await edge.call("GET", "/api/v1/docs", token=None)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for address in loaded:
        assert address.startswith("/api/v1/docs/")
        answer = await edge.call("GET", address, token=None)
        assert answer.status_code == 200
        assert answer.content
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert "http" not in (await edge.call("GET", "/api/v1/docs/start.js", token=None)).text


@pytest.mark.parametrize("name", ["swagger-ui.js", "LICENSE", "..%2f__init__.py", "x"])
async def test_nothing_else_of_the_package_is_served(edge: Edge, name: str) -> None:
    answer = await edge.call("GET", f"/api/v1/docs/{name}", token=None)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "NOT_FOUND")


async def test_nothing_internal_is_in_the_log(edge: Edge, behind: Behind) -> None:
    token = edge.token()
    await edge.call("GET", "/api/v1/files?filename=private", token=token)
    assert edge.process.log
    assert token not in edge.process.log
    assert "filename=private" not in edge.process.log
