"""A key set fetched over HTTPS: from the one address that the configuration names, within bounds."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from services.model.errors import ServiceUnavailable

PATIENCE = 5.0
"""Seconds that a fetch may take in all."""
MAX_BYTES = 256 << 10
"""Of a key set: that of a large identity provider has some ten."""
RETRY_AFTER = 5.0
"""Seconds: no sooner is it fetched again."""
_USABLE = {"kty": "RSA", "use": "sig", "alg": "RS256"}
"""What a key must say of itself, where it says anything; the kind of key it must say."""


def parse_jwks_url(url: str) -> str:
    """Return `url` if keys may come from there: HTTPS, or HTTP from this very machine. Raises `ValueError`."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an address such as https://host/path, without credentials or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("must begin with https:// (http:// only for this very machine)")
    return url


def address_of(url: str) -> str:
    """The "host:port" of an address that `parse_jwks_url` takes."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HttpKeySource:
    """`tokens.KeySource`. Follows no redirect, uses no proxy, keeps only keys that can verify RS256."""

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        """`ca`: a PEM file with authorities that are believed beside the system's own. Enter it before use."""
        self._url = url
        tls = ssl.create_default_context()
        if ca is not None:
            tls.load_verify_locations(ca)
        self._client = httpx.AsyncClient(verify=tls, timeout=PATIENCE, follow_redirects=False, trust_env=False)

    async def jwks(self) -> dict[str, Any]:
        """The present key set. Raises `ServiceUnavailable`."""
        try:
            async with asyncio.timeout(PATIENCE):
                found = json.loads(await self._body())
            keys = [key for key in found["keys"] if _usable(key)]
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServiceUnavailable(
                f"no keys could be fetched from {self._url} ({type(error).__name__})", retry_after=RETRY_AFTER
            ) from error
        return {"keys": keys}

    async def _body(self) -> bytes:
        found = bytearray()
        async with self._client.stream("GET", self._url, headers={"accept": "application/json"}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError
            async for piece in answer.aiter_bytes():
                found += piece
                if len(found) > MAX_BYTES:
                    raise ValueError
        return bytes(found)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()


def _usable(key: dict[str, Any]) -> bool:
    return key.get("kty") == "RSA" and bool(key.get("kid")) and all(key.get(k, v) == v for k, v in _USABLE.items())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
