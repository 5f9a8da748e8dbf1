"""The public door: its configuration rendered for this machine, and its end prepared."""

from __future__ import annotations

import asyncio
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.chassis import contract
from services.standalone import probes
from services.standalone.certificates import Issued

TEMPLATE = Path(__file__).resolve().parents[2] / "envoy" / "edge.yaml"

DRAIN_PATIENCE = 25.0
"""Seconds that requests in flight get to finish when the run stops."""

AUTH_BURST = 20
"""Seconds' worth of requests for tokens that may come at once."""
BURST = 2
"""The same for everything else."""

_GAUGES = r"^(http\.edge\.downstream_rq_active|cluster\.admin_watch\.upstream_rq_active)$"
_GAUGE = re.compile(r"^(http|cluster)\.\S+: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Edge:
    """What the door needs to know; each field is a name in the template."""

    addresses: Sequence[str]
    port: int
    public: Issued
    edge: Issued
    ca: Path
    gateway: tuple[str, int]
    admin: tuple[str, int]
    ingester: tuple[str, int]
    query: tuple[str, int]
    descriptors: Path
    """What the protos say of the public services, as a serialized FileDescriptorSet."""
    issuer: str
    audience: str
    admin_socket: Path
    access_log: Path
    jwks_cache: str = "60s"
    cors_origins: Sequence[str] = ()
    auth_rate: int = 5
    """Requests a second for tokens and logins from one address; so many more at once as `AUTH_BURST` says."""
    rate: int = 5000
    """The same for everything else."""
    max_heap: int = 1 << 30
    """Bytes."""
    tracing: Mapping[str, object] | None = None
    """How the door's own spans reach a collector; None: it has none."""

    def render(self) -> str:
        """Return Envoy's configuration."""
        first, *more = self.addresses
        values = {
            "ADDRESS": first,
            "PORT": self.port,
            "MORE_ADDRESSES": [
                {"address": {"socket_address": {"address": address, "port_value": self.port}}} for address in more
            ],
            "PUBLIC_CERT": str(self.public.certificate),
            "PUBLIC_KEY": str(self.public.key),
            "EDGE_CERT": str(self.edge.certificate),
            "EDGE_KEY": str(self.edge.key),
            "CA": str(self.ca),
            **_place("GATEWAY", self.gateway),
            **_place("ADMIN", self.admin),
            **_place("INGESTER", self.ingester),
            **_place("QUERY", self.query),
            "DESCRIPTORS": str(self.descriptors),
            "CORS_ORIGINS": [{"exact": origin} for origin in self.cors_origins],
            "AUTH_RATE": self.auth_rate,
            "AUTH_BURST": self.auth_rate * AUTH_BURST,
            "RATE": self.rate,
            "BURST": self.rate * BURST,
            "MAX_HEAP": self.max_heap,
            "ISSUER": self.issuer,
            "AUDIENCE": self.audience,
            "JWKS_CACHE": self.jwks_cache,
            "ADMIN_SOCKET": str(self.admin_socket),
            "ACCESS_LOG": str(self.access_log),
            "TRACING": self.tracing,
        }
        template = string.Template(TEMPLATE.read_text())
        return template.substitute({name: json.dumps(value) for name, value in values.items()})


def _place(name: str, address: tuple[str, int]) -> dict[str, object]:
    return {f"{name}_HOST": address[0], f"{name}_PORT": address[1]}


def descriptors() -> bytes:
    """Return what Envoy must know of the public services' protos, as a serialized FileDescriptorSet."""
    return contract.descriptor_set(contract.public_services()).SerializeToString()


def command(program: Path, configuration: Path) -> tuple[str, ...]:
    """Return Envoy's command line."""
    return (
        str(program),
        *("--config-path", str(configuration)),
        *("--concurrency", "2"),
        "--disable-hot-restart",
        # When it drains, every answer tells its client to come back on another connection.
        *("--drain-strategy", "immediate"),
        *("--drain-time-s", str(int(DRAIN_PATIENCE))),
        *("--log-level", "warning"),
    )


async def drain(admin_socket: Path) -> None:
    """Take no new connections, and wait until the requests in flight are answered, at most `DRAIN_PATIENCE`."""
    # A plain SIGTERM would cut them off. First tell those who are connected, then close the door.
    await probes.request("POST", "/drain_listeners?graceful&skip_exit", admin_socket)
    await probes.request("POST", "/drain_listeners", admin_socket)
    async with asyncio.timeout(DRAIN_PATIENCE):
        while await active_requests(admin_socket):  # noqa: ASYNC110 - Envoy tells only when asked
            await asyncio.sleep(0.1)


async def reopen_logs(admin_socket: Path) -> None:
    """Have it open its access log again, which was renamed. Raises `OSError` if it cannot be asked."""
    await probes.request("POST", "/reopen_logs", admin_socket)


async def active_requests(admin_socket: Path) -> int:
    """Return how many requests are being answered that end by themselves: not those that watch something."""
    _, body = await probes.request("GET", f"/stats?filter={quote(_GAUGES)}", admin_socket)
    gauges = {found[1]: int(found[2]) for found in _GAUGE.finditer(body)}
    return max(0, gauges.get("http", 0) - gauges.get("cluster", 0))  # one may end between the two
