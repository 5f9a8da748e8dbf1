"""Makes the storage elements known to Admin, as anybody would: through the public door."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.standalone.errors import StandaloneError

TIMEOUT = 15.0
"""Seconds for one answer."""
ONLINE_PATIENCE = 10.0
"""Seconds until Admin must have seen each element."""


class SecretRefusedError(StandaloneError):
    """The system account's secret is not the one that we know: it was rotated."""


class Registrar:
    """A client of the public REST interface, with the rights of the system account."""

    def __init__(self, base_url: str, ca: Path, client_id: str, client_secret: str) -> None:
        self._url = urllib.parse.urlsplit(base_url)
        self._tls = ssl.create_default_context(cafile=ca)
        self._basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._token = ""

    def sign_in(self) -> None:
        """Get a token. Raises `SecretRefusedError`."""
        headers = {"Authorization": f"Basic {self._basic}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._send("POST", "/api/v1/auth/token", b"grant_type=client_credentials", headers)
        if status == 401 and answer.get("error") == "invalid_client":
            raise SecretRefusedError("The secret of the system account is not the one of this home.")
        if status != 200 or not isinstance(answer.get("access_token"), str):
            raise StandaloneError(f"No token for the system account: {_why(status, answer)}")
        self._token = answer["access_token"]

    def register(self, endpoints: Mapping[str, str]) -> list[str]:
        """Register what is missing or has moved, by storage id; return which that were."""
        known = {element["storage_id"]: element["endpoint"] for element in self._elements()}
        todo = [storage_id for storage_id, endpoint in endpoints.items() if known.get(storage_id) != endpoint]
        for storage_id in todo:
            body = {"endpoint": endpoints[storage_id], "name": storage_id}
            status, answer = self._ask("POST", "/api/v1/storage-elements", body)
            if status not in {200, 201}:
                raise StandaloneError(f"{storage_id} could not be registered: {_why(status, answer)}")
        return todo

    def wait_until_online(self, endpoints: Mapping[str, str]) -> list[str]:
        """Wait until Admin has seen each of them; return those that it has not seen in time."""
        deadline = time.monotonic() + ONLINE_PATIENCE
        while True:
            online = {element["storage_id"] for element in self._elements() if element.get("status") == "online"}
            absent = [storage_id for storage_id in endpoints if storage_id not in online]
            if not absent or time.monotonic() > deadline:
                return absent
            time.sleep(0.1)

    def _elements(self) -> list[dict[str, Any]]:
        status, answer = self._ask("GET", "/api/v1/storage-elements?limit=1000")
        if status != 200:
            raise StandaloneError(f"The storage elements could not be listed: {_why(status, answer)}")
        return list(answer["items"])

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return self._send(method, path, None if body is None else json.dumps(body).encode(), headers)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        # Not urllib.request: the environment may name a proxy, which has no business here.
        connection = http.client.HTTPSConnection(
            self._url.hostname or "localhost", self._url.port, timeout=TIMEOUT, context=self._tls
        )
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StandaloneError(f"{method} {path.partition('?')[0]} failed: {error}") from error
        finally:
            connection.close()
        return response.status, answer if isinstance(answer, dict) else {}


def _why(status: int, answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    if isinstance(error, dict):
        return f"{status} {error.get('code')}: {error.get('message')}"
    return f"{status} {error or ''} {answer.get('error_description') or ''}".strip()
