"""What a run knows of its processes, kept on disk: for `status`, `down`, and the next run after this one was killed."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.standalone import files
from services.standalone.identity import Identity

State = Literal["starting", "ready", "restarting", "stopping", "stopped"]


@dataclass
class Entry:
    """One process of the run."""

    state: State
    identity: Identity | None = None
    since: float = 0.0
    """When this process was started, in seconds since 1970."""
    restarts: int = 0
    ports: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "state": self.state,
            "identity": self.identity.to_json() if self.identity else None,
            "since": self.since,
            "restarts": self.restarts,
            "ports": self.ports,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Entry:
        """Return the entry; what is missing is empty."""
        return Entry(
            value.get("state", "stopped"),
            Identity.from_json(value.get("identity")),
            float(value.get("since", 0)),
            int(value.get("restarts", 0)),
            dict(value.get("ports", {})),
        )


class Register:
    """The entries by name, written at every change."""

    def __init__(self, path: Path, entries: dict[str, Entry] | None = None) -> None:
        self._path = path
        self.entries = entries or {}
        self.links: list[str] = []
        """Folders outside the home that the run made (see `sockets.py`), to be removed with it."""

    @staticmethod
    def load(path: Path) -> Register:
        """Return what an earlier or another run has written; empty if nothing."""
        value = files.read_json(path) or {}
        entries = {name: Entry.from_json(entry) for name, entry in value.get("processes", {}).items()}
        register = Register(path, entries)
        register.links = [str(link) for link in value.get("links", [])]
        return register

    def save(self) -> None:
        """Write all."""
        processes = {name: entry.to_json() for name, entry in self.entries.items()}
        files.write_json(self._path, {"processes": processes, "links": self.links}, mode=files.PRIVATE, durable=False)

    def remove_unless_needed(self) -> None:
        """Remove it at the end of a run, unless a process could not be ended: the next run must know of that one."""
        if not any(entry.identity and entry.identity.alive for entry in self.entries.values()):
            self._path.unlink(missing_ok=True)


def end(identities: list[Identity], first: signal.Signals, patience: float, last: signal.Signals) -> list[Identity]:
    """Send `first` to all, wait up to `patience` seconds, send `last` to those that remain; return these."""
    for identity in identities:
        identity.send(first)
    deadline = time.monotonic() + patience
    while any(identity.alive for identity in identities) and time.monotonic() < deadline:
        time.sleep(0.05)
    stubborn = [identity for identity in identities if identity.send(last)]
    deadline = time.monotonic() + 10
    while any(identity.alive for identity in stubborn) and time.monotonic() < deadline:
        time.sleep(0.05)
    return stubborn
