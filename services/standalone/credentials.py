"""The secrets of a home: made once, kept as files of mode 0600, given to processes by path and never as arguments."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.standalone import files


@dataclass(frozen=True)
class Credentials:
    """The paths of the secrets; `read` gives a value."""

    folder: Path

    @property
    def client_id(self) -> Path:
        """The system service account's name: no secret, but random all the same, and kept with its secret."""
        return self._keep("system-client-id", lambda: f"sa_system_{secrets.token_hex(4)}")

    @property
    def client_secret(self) -> Path:
        """The system service account's secret (256 random bits), as it was at the first start."""
        return self._keep("system-client-secret", lambda: secrets.token_urlsafe(32))

    @property
    def admin_password(self) -> Path:
        """The first administrator's password, as it was at the first start."""
        return self._keep("admin-password", lambda: secrets.token_urlsafe(18))

    @property
    def key_encryption_key(self) -> Path:
        """What Admin encrypts its signing keys with: 32 random bytes, base64url."""
        return self._keep("key-encryption-key", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())

    @property
    def postgres_password(self) -> Path:
        """The embedded PostgreSQL's superuser."""
        return self._keep("postgres-password", lambda: secrets.token_urlsafe(32))

    @property
    def database_password(self) -> Path:
        """The owner of the database in the embedded PostgreSQL."""
        return self._keep("database-password", lambda: secrets.token_urlsafe(32))

    @property
    def query_password(self) -> Path:
        """The role that Query reads with."""
        return self._keep("query-password", lambda: secrets.token_urlsafe(32))

    def _keep(self, name: str, make: Callable[[], str]) -> Path:
        path = self.folder / name
        if not path.exists():
            files.write(path, make(), mode=files.PRIVATE)
        return path


def read(path: Path) -> str:
    """Return the secret in a file."""
    return path.read_text().strip()
