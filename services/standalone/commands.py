"""What can be done from outside of a run: stop it, look at it, delete what it left."""

from __future__ import annotations

import signal
import sys
import time

from services.standalone import files, home, leftovers, lock
from services.standalone.console import Console
from services.standalone.errors import StandaloneError
from services.standalone.home import Home
from services.standalone.identity import Identity
from services.standalone.register import Entry, Register

STOP_PATIENCE = 150.0
"""Seconds for an orderly stop: the drains one after another."""
HURRY_PATIENCE = 30.0
"""Seconds for what follows a second request."""

UP, PARTLY, DOWN = 0, 1, 3
"""What `status` returns."""


def down(where: Home, console: Console) -> int:
    """Stop the run and wait for its end, or clean up after one that was killed."""
    if not where.exists:
        console.line(f"ArtStore does not run in {where.root}")
        return 0
    runner = lock.wait_for_holder(where.lock)
    if runner is None:
        return _clean(where, console)
    for patience in (STOP_PATIENCE, HURRY_PATIENCE):
        runner.send(signal.SIGTERM)
        if _ended(runner, patience):
            console.line(f"ArtStore in {where.root} has stopped ({console.elapsed:.1f} s)")
            return 0
        console.line(f"process {runner.pid} still runs after {patience:g} s")
    console.error(f"ArtStore in {where.root} did not stop; its log: {where.log('standalone')}")
    return 1


def _clean(where: Home, console: Console) -> int:
    with lock.held(where.lock):
        leftovers.clean(where, console)
    console.line(f"ArtStore does not run in {where.root}")
    return 0


def _ended(runner: Identity, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while runner.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def status(where: Home, console: Console) -> int:
    """Show what runs."""
    runner = lock.holder(where.lock) if where.exists else None
    if runner is None:
        console.line(f"ArtStore does not run in {where.root}")
        return DOWN
    entries = Register.load(where.register).entries
    described = files.read_json(where.descriptor)
    console.line(f"ArtStore in {where.root}, process {runner.pid}")
    console.line(f"address  {described['base_url']}" if described else "address  (not ready)")
    console.line(f"{'process':<12} {'pid':>8}  {'state':<11} {'up':>9} {'restarts':>9}  ports")
    for name in sorted(entries):
        console.line(_row(name, entries[name]))
    well = described is not None and all(_state(entry) == "ready" for entry in entries.values())
    return UP if well else PARTLY


def _row(name: str, entry: Entry) -> str:
    alive = entry.identity is not None and entry.identity.alive
    pid = str(entry.identity.pid) if entry.identity and alive else "-"
    age = _age(time.time() - entry.since) if alive else "-"
    ports = "  ".join(f"{purpose} {port}" for purpose, port in entry.ports.items())
    return f"{name:<12} {pid:>8}  {_state(entry):<11} {age:>9} {entry.restarts:>9}  {ports}".rstrip()


def _state(entry: Entry) -> str:
    alive = entry.identity is not None and entry.identity.alive
    return "dead" if entry.state in {"starting", "ready"} and not alive else entry.state


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def reset(where: Home, console: Console, *, sure: bool) -> int:
    """Delete everything that runs have made in this home."""
    if not where.root.exists():
        console.line(f"There is nothing in {where.root}")
        return 0
    if not where.exists:
        raise StandaloneError(f"{where.root} is not an ArtStore home: nothing was deleted.")
    if not sure and not _confirmed(where):
        console.line("nothing was deleted")
        return 1
    if lock.is_held(where.lock):
        raise StandaloneError(f"ArtStore runs in {where.root}: stop it first (make down). Nothing was deleted.")
    with lock.held(where.lock):
        leftovers.clean(where, console)
        left = home.remove(where)
    console.line(f"deleted the ArtStore home {where.root}")
    if left:
        console.line(f"left alone, since no run made it: {', '.join(left)}")
    return 0


def _confirmed(where: Home) -> bool:
    if not sys.stdin.isatty():
        raise StandaloneError(f"This would delete every document in {where.root}: say --yes (make reset YES=1).")
    print(f"This deletes every document, the registry, keys and certificates in {where.root}.")
    try:
        return input("Type yes to go on: ").strip() == "yes"
    except (EOFError, KeyboardInterrupt):
        return False
