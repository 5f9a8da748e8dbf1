"""Query's role in PostgreSQL: it may read the views made for it, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

import asyncpg

from services.admin.store.migrations import LOCK, MigrationError

SCRAM_ITERATIONS = 4096
"""PostgreSQL's own default."""
_MIGHTY = """
SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolname = current_user AS mighty
FROM pg_roles WHERE rolname = $1
"""
VIEWS = ("query_v1.files", "query_v1.schema_version")


async def ensure_reader(connection: asyncpg.Connection, role: str, password: str | None) -> bool:
    """Let `role` log in with `password` and read the views. Return whether there is such a role.

    Without a password the role is somebody else's to make: it is only granted what it needs, if it exists.
    Raises `MigrationError`.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        exists = await _exists(connection, role)
        if password is not None:
            await _set_password(connection, role, password, exists=exists)
        elif not exists:
            return False
        await _grant(connection, role)
    return True


async def _exists(connection: asyncpg.Connection, role: str) -> bool:
    row = await connection.fetchrow(_MIGHTY, role)
    if row is not None and row["mighty"]:
        raise MigrationError(f"the role {role!r} has rights that Query must not have: choose another name")
    return row is not None


async def _set_password(connection: asyncpg.Connection, role: str, password: str, *, exists: bool) -> None:
    verb = "ALTER" if exists else "CREATE"
    statements = (
        f"{verb} ROLE %1$I LOGIN PASSWORD %2$L",
        "ALTER ROLE %1$I SET default_transaction_read_only = on",
    )
    for statement in statements:
        sql = await connection.fetchval("SELECT format($1, $2::text, $3::text)", statement, role, scram(password))
        try:
            await connection.execute(sql)
        except asyncpg.InsufficientPrivilegeError as error:
            raise MigrationError(f"the role {role!r} cannot be set up: {error}") from None


async def _grant(connection: asyncpg.Connection, role: str) -> None:
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    await connection.execute(f"GRANT USAGE ON SCHEMA query_v1 TO {quoted}")
    await connection.execute(f"GRANT SELECT ON {', '.join(VIEWS)} TO {quoted}")


def scram(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5802, RFC 7677).

    Made here so that it never sees the password itself: statements end in its log. Raises `MigrationError` unless the
    password is printable ASCII, which needs no SASLprep.
    """
    if not password.isascii() or not password.isprintable():
        raise MigrationError("the password of Query's role must be printable ASCII")
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt64}${stored64}:{server64}"
