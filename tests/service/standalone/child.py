"""A process for the supervisor: serves /health/ready, and writes what happens to it into a journal.

child.py NAME PORT JOURNAL [BEHAVIOUR…]      behaviours: dies-once, fails, never-ready, ignores-sigterm, no-port
"""

from __future__ import annotations

import http.server
import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    name, port, journal, *behaviour = sys.argv[1:]

    def note(what: str) -> None:
        with Path(journal).open("a") as file:
            file.write(f"{name} {what}\n")

    if "fails" in behaviour:
        sys.exit("it has a reason")
    note("started")
    ended = threading.Event()

    def stop(number: int, _: object) -> None:
        note(signal.Signals(number).name)
        if "ignores-sigterm" not in behaviour:
            ended.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if "no-port" not in behaviour:
        serve(int(port), ready="never-ready" not in behaviour)
    mark = Path(f"{journal}.{name}")
    if "dies-once" in behaviour and not mark.exists():
        mark.touch()
        os._exit(3)
    ended.wait()
    note("ended")


def serve(port: int, *, ready: bool) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status": "ok"}' if ready else b'{"status": "fail"}'
            self.send_response(200 if ready else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


main()
