"""Keys are fetched from the one address that is configured, and nothing that comes from there does harm."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey, RSAKey

from services.chassis.jwks import MAX_BYTES, HttpKeySource, parse_jwks_url
from services.model.errors import ServiceUnavailable
from tests.doubles.key_server import KeyServer, key_server

RSA = RSAKey.generate_key(2048, {"kid": "one"}, private=True)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as made:
        made.publish(RSA)
        yield made


async def fetch(server: KeyServer) -> list[str]:
    async with HttpKeySource(server.url) as source:
        return [key["kid"] for key in (await source.jwks())["keys"]]


async def test_the_keys_come_from_the_address(server: KeyServer) -> None:
    assert await fetch(server) == ["one"]
    assert server.asked == ["/keys"]


async def test_keys_for_other_things_are_left_out(server: KeyServer) -> None:
    jwk = RSA.as_dict(private=False)
    for_encryption = {**jwk, "kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
    nameless = {name: value for name, value in jwk.items() if name != "kid"}
    server.publish(ECKey.generate_key("P-256", {"kid": "ec"}), for_encryption, {**jwk, "alg": "RS512"}, nameless, jwk)
    assert await fetch(server) == ["one"]


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, b"{}", {}),
        (404, b"{}", {}),
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"<html>", {}),
        (200, b"[]", {}),
        (200, b"{}", {}),
        (200, b'{"keys": 1}', {}),
        (200, b'{"keys": [1]}', {}),
        (200, b'{"keys": []' + b" " * MAX_BYTES + b"}", {}),
        (200, b"\xff", {}),
    ],
    ids=["500", "404", "redirect", "HTML", "list", "no keys", "number", "number as key", "too large", "no UTF-8"],
)
async def test_whatever_else_comes_is_no_answer(
    server: KeyServer, status: int, body: bytes, headers: dict[str, str]
) -> None:
    server.status, server.body, server.headers = status, body, headers
    with pytest.raises(ServiceUnavailable) as refused:
        await fetch(server)
    assert refused.value.retry_after
    assert server.asked == ["/keys"]  # a redirect is not followed


async def test_a_compressed_bomb_is_cut_off(server: KeyServer) -> None:
    import gzip

    server.body = gzip.compress(json.dumps({"keys": [], "x": "0" * (64 << 20)}).encode())
    server.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(ServiceUnavailable):
        await fetch(server)


async def test_nobody_there_is_no_answer() -> None:
    async with HttpKeySource("http://127.0.0.1:1/keys") as source:
        with pytest.raises(ServiceUnavailable):
            await source.jwks()


@pytest.mark.parametrize(
    "url", ["https://kc.example/certs", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"]
)
def test_addresses_that_may_be_configured(url: str) -> None:
    assert parse_jwks_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kc.example",
        "http://kc.example/certs",
        "ftp://kc.example",
        "file:///etc/passwd",
        "https://",
        "https://a:b@c/d",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_jwks_url(url)
