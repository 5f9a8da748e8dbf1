"""Which PostgreSQL the registry is in: the embedded one, or one that the person named."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from services.standalone.credentials import Credentials, read
from services.standalone.postgres import Cluster

QUERY_ROLE = "artstore_query"


@dataclass(frozen=True)
class Database:
    """How Admin and Query reach the registry."""

    dsn: str
    """Of the owner, who may create roles."""
    query_role: str
    """The role that migrations make for Query."""
    query_dsn: str
    cluster: Cluster | None = None
    """The embedded PostgreSQL; None if it is somebody else's."""


def embedded(cluster: Cluster, credentials: Credentials) -> Database:
    """Return the database in a PostgreSQL of our own."""
    return Database(cluster.dsn(), QUERY_ROLE, cluster.dsn(QUERY_ROLE, credentials.query_password), cluster)


def external(dsn: str, credentials: Credentials, identifier: str) -> Database:
    """Return the database at `dsn`.

    Roles belong to a whole server: two homes on one server must not give Query's role two passwords, so its name has
    the home's `identifier` in it.
    """
    role = f"{QUERY_ROLE}_{identifier}"
    return Database(dsn, role, with_role(dsn, role, read(credentials.query_password)))


def with_role(dsn: str, role: str, password: str) -> str:
    """Return the same address for another role."""
    parts = urllib.parse.urlsplit(dsn)
    hosts = parts.netloc.rpartition("@")[2]
    options = [
        (name, value)
        for name, value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        if name not in {"user", "password", "passfile"}
    ]
    return urllib.parse.urlunsplit(
        parts._replace(
            netloc=f"{urllib.parse.quote(role, safe='')}:{urllib.parse.quote(password, safe='')}@{hosts}",
            query=urllib.parse.urlencode(options),
        )
    )
