"""Makes all that must be there before the first process starts: secrets, certificates, ports, folders, binaries."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from services.standalone import accounts, certificates, database, ports, software
from services.standalone.config import LOCALHOST, Settings
from services.standalone.console import Console
from services.standalone.credentials import Credentials
from services.standalone.database import Database
from services.standalone.home import Home
from services.standalone.plan import ELEMENTS, OPERATOR, PORTS, Plan
from services.standalone.postgres import Cluster

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only compared


def plan(
    settings: Settings,
    home: Home,
    console: Console,
    sockets: Path,
    reservations: ports.Reservations,
    environment: Mapping[str, str],
) -> Plan:
    """Return what will run. Raises `StandaloneError` for whatever would keep it from running."""
    public = ports.public_addresses(settings.bind, settings.port)
    inner = ports.assign(PORTS, home.ports, reservations)
    credentials = Credentials(home.secrets)
    where = _database(settings, home, sockets, credentials)
    issued = _certificates(settings, home, console)
    for storage_id in ELEMENTS:
        for folder in (home.element(storage_id), home.element(storage_id) / "data", home.element(storage_id) / "index"):
            folder.mkdir(mode=0o700, exist_ok=True)

    cluster = where.cluster

    async def create_cluster() -> None:
        began = time.monotonic()
        if cluster is not None and await asyncio.to_thread(cluster.create):
            console.step("postgres", f"made a new database ({time.monotonic() - began:.1f} s)")

    return Plan(
        settings,
        home,
        credentials,
        issued,
        inner,
        tuple(public),
        where,
        sockets,
        software.envoy(),
        dict(environment),
        create_cluster,
    )


def _database(settings: Settings, home: Home, sockets: Path, credentials: Credentials) -> Database:
    if settings.postgres_dsn:
        return database.external(settings.postgres_dsn, credentials, home.identifier())
    account = accounts.for_postgres(settings.postgres_user)
    if account:
        accounts.require_passage(account, home.postgres)
    programs = software.postgres(home.postgres / "software" if account else None)
    cluster = Cluster(home.postgres, programs, sockets / "postgres", account, credentials)
    return database.embedded(cluster, credentials)


def _certificates(settings: Settings, home: Home, console: Console) -> Mapping[str, certificates.Issued]:
    subjects = [
        *(certificates.module(name) for name in ("admin", "ingester", "query", "gateway", "edge", OPERATOR)),
        *(certificates.element(storage_id) for storage_id in ELEMENTS),
        _public(settings.bind),
    ]
    issued, made = certificates.ensure(home.certificates, home.ca, subjects, datetime.now(UTC))
    console.step("certificates", f"made {', '.join(made)}" if made else "those of the last run")
    return issued


def _public(bind: str) -> certificates.Subject:
    """Return the certificate of the door: for this machine's name too when it can be reached from others."""
    host = socket.gethostname()
    names = [host] if bind not in LOCALHOST and re.fullmatch(r"[A-Za-z0-9.-]+", host) else []
    return certificates.public([] if bind in LOCALHOST | WILDCARDS else [bind], names)
