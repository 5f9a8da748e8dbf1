"""The inner ports: free ones, kept for the next start, and never given to two runs at once."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from services.standalone import files
from services.standalone.errors import StandaloneError

FIRST, LAST = 15000, 31999
"""Below the range from which systems take the near ends of outgoing connections (32768 and up, or 49152 and up), so
that a port that was free when it was chosen is not lost to somebody's connection a moment later."""


class Reservations:
    """Ports that this run has claimed, seen by all other runs on the machine as long as it lives.

    Between choosing a port and a process listening there lie seconds. On Linux a name in the abstract socket namespace,
    which is as wide as the ports' own and vanishes with the process, tells other runs in between.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def claim(self, port: int) -> bool:
        """Claim a port if nobody listens there and no other run has claimed it."""
        if port in self._held or not is_free("127.0.0.1", port):
            return False
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            if sys.platform == "linux":
                name.bind(f"\0artstore-port-{port}")
        except OSError:
            name.close()
            return False
        self._held[port] = name
        return True

    def release(self) -> None:
        """Give all back."""
        while self._held:
            self._held.popitem()[1].close()


def assign(names: Iterable[str], path: Path, reservations: Reservations) -> Mapping[str, int]:
    """Return a port for every name: the one it had before if that is still free, else a new one. Remembers all."""
    known = files.read_json(path) or {}
    chosen: dict[str, int] = {}
    for name in names:
        before = known.get(name)
        if isinstance(before, int) and FIRST <= before <= LAST and reservations.claim(before):
            chosen[name] = before
        else:
            chosen[name] = _new(reservations, avoid=set(known.values()))
    if chosen != known:
        files.write_json(path, chosen)
    return chosen


def _new(reservations: Reservations, avoid: set[object]) -> int:
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        if port not in avoid and reservations.claim(port):
            return port
    raise StandaloneError(f"There is no free port from {FIRST} to {LAST} on this machine.")


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there now. Raises `OSError` if that is not a matter of the port being taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As servers do: connections of an earlier run that are still in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def public_addresses(bind: str, port: int) -> list[str]:
    """Return the addresses for the public port, `bind` first. Raises `StandaloneError` if it cannot be had."""
    addresses = [bind] + ["::1"] * (bind == "127.0.0.1" and _has_ipv6_loopback())
    for address in addresses:
        try:
            free = is_free(address, port)
        except PermissionError as error:
            raise StandaloneError(
                f"This account may not use port {port}: set ARTSTORE_PORT to one above 1023."
            ) from error
        except OSError as error:
            raise StandaloneError(f"Cannot listen on {address} ({error.strerror}): set ARTSTORE_BIND.") from error
        if not free:
            raise StandaloneError(
                f"Port {port} on {address} is taken by another program: set ARTSTORE_PORT to a free one."
            )
    return addresses


def _has_ipv6_loopback() -> bool:
    try:
        return is_free("::1", 0)
    except OSError:
        return False
