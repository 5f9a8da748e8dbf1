"""What a run that was killed has left, ended and removed. Only under the lock: then nobody else's run is touched."""

from __future__ import annotations

import signal
from pathlib import Path

from services.standalone import postgres, register, sockets
from services.standalone.console import Console
from services.standalone.home import Home
from services.standalone.register import Register

PATIENCE = 5.0
"""Seconds that a leftover gets to end by itself: nobody waits for its answers any more."""


def clean(home: Home, console: Console) -> None:
    """End the processes of an earlier run, known by id and start time, and remove its traces outside of `data`."""
    earlier = Register.load(home.register)
    alive = {name: entry.identity for name, entry in earlier.entries.items() if entry.identity and entry.identity.alive}
    if alive:
        found = ", ".join(f"{name} ({process.pid})" for name, process in alive.items())
        console.step("leftovers", f"of a run that was killed: {found}; ending them")
    # PostgreSQL last, and in its own way: below.
    others = [process for name, process in alive.items() if name != "postgres"]
    register.end(others, signal.SIGTERM, PATIENCE, signal.SIGKILL)
    orphans = postgres.end_leftovers(home.postgres / "data", PATIENCE)
    if orphans and "postgres" not in alive:
        console.step("leftovers", f"ended {orphans} processes of an earlier PostgreSQL")
    for link in earlier.links:
        sockets.drop(Path(link))
    for path in (home.descriptor, home.register, home.run / "envoy-admin.sock"):
        path.unlink(missing_ok=True)
