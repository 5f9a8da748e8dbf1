"""A small identity provider: its keys at /jwks, tokens at /token; to be trusted, or not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "artstore-clients"


class Issuer:
    """Signs whatever it is told."""

    def __init__(self, url: str = "https://issuer.example") -> None:
        self.url = url
        self.keys: list[RSAKey] = [RSAKey.generate_key(2048, {"kid": "issuer-1", "use": "sig"}, private=True)]
        self.asked: list[str] = []
        """Paths, in the order in which they were asked for."""

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def rotate(self) -> None:
        """From now on another key signs; the old one is published no more."""
        self.keys = [RSAKey.generate_key(2048, {"kid": f"issuer-{time.monotonic_ns()}", "use": "sig"}, private=True)]

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        """A valid ID token of "maria", but for what is given; a claim given as None is left out."""
        signer, now = key or self.keys[-1], int(time.time())
        payload = {"iss": self.url, "aud": AUDIENCE, "sub": "maria", "iat": now, "exp": now + 300, **claims}
        head = {"alg": alg, "typ": "JWT", "kid": getattr(signer, "kid", None), **(header or {})}
        return jwt.encode(head, {k: v for k, v in payload.items() if v is not None}, signer, algorithms=[alg])

    def configuration(self, alias: str = "kc", **claim_map: dict[str, list[str]]) -> dict[str, Any]:
        """As it stands in `AM_TRUSTED_ISSUERS_FILE`."""
        return {
            "alias": alias,
            "issuer": self.url,
            "jwks_url": f"{self.url}/jwks",
            "audience": AUDIENCE,
            "claim_map": claim_map
            or {
                "realm_access.roles": {"archivist": ["files:read", "files:write"]},
                "groups": {"/operators": ["readonly"], "/administrators": ["admin"]},
                "scope": {"artstore.read": ["files:read"]},
            },
        }


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """One on a port of its own, for as long as the block runs."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if self.path == "/jwks":
                self.answer(200, issuer.jwks())
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            """A token with the claims of the form, of which `scope` is the scope: whoever asks is believed."""
            issuer.asked.append(self.path)
            form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
            claims: dict[str, Any] = {name: values[0] for name, values in form.items() if name != "grant_type"}
            self.answer(200, {"access_token": issuer.token(**claims), "token_type": "Bearer", "expires_in": 300})

        def answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
