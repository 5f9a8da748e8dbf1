"""Keys over HTTP, as an identity provider publishes them: for whoever fetches them from an address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KeyServer:
    """Answers every GET with `body`, and remembers what was asked for."""

    def __init__(self) -> None:
        self.body: bytes = b'{"keys": []}'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.url = ""

    def publish(self, *keys: Any) -> None:
        """Public parts of joserfc keys, or ready JWKs."""
        plain = [key if isinstance(key, dict) else key.as_dict(private=False) for key in keys]
        self.body = json.dumps({"keys": plain}).encode()


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """One on a port of its own, for as long as the block runs."""
    state = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/keys"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
