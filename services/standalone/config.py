"""The settings of the standalone run, from the environment (`ARTSTORE_*`)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from services.chassis.describe import UNSET, Row
from services.standalone import tracing
from services.standalone.errors import StandaloneError

MAX_RATE = 1_000_000
LOCALHOST = frozenset({"127.0.0.1", "::1"})
"""What the name stands for. The rest of 127.0.0.0/8 is loopback as well, but nobody finds it by that name."""


def _setting(default: object, kind: str, description: str) -> Any:
    """Return a field with what `--describe` says of it."""
    return field(default=default, metadata={"type": kind, "description": description})


@dataclass(frozen=True)
class Settings:
    """What a person may choose, each as `ARTSTORE_` and its name; everything else follows from it."""

    home: Path = _setting(  # noqa: RUF009 - it returns a field
        MISSING,
        "path",
        "Folder of all data. Unset: /var/lib/artstore for root, else ~/.local/share/artstore (XDG_DATA_HOME).",
    )
    port: int = _setting(8443, "integer", "Public port (HTTPS), 1 to 65535.")
    bind: str = _setting("127.0.0.1", "text", "IP address of the public port; the default is joined by ::1.")
    postgres_dsn: str | None = _setting(
        None,
        "text, secret",
        "postgresql://… of your own database instead of the embedded PostgreSQL; its role must own the database and "
        "may create roles (CREATEROLE).",
    )
    postgres_user: str = _setting(
        "nobody", "text", "As root: the existing account that the embedded PostgreSQL runs as."
    )
    trace_file: Path | None = _setting(  # noqa: RUF009 - it returns a field
        None, "path", "File to which every process appends its spans, one JSON object a line (see observability.md)."
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        "list",
        "Origins, separated by commas, whose web pages may call the public address, such as https://app.example.org.",
    )
    auth_rate: int = _setting(
        5,
        "integer",
        "Requests a second from one address for tokens and logins; 20 times as many may come at once. Above: 429.",
    )
    rate: int = _setting(
        5000,
        "integer",
        "Requests a second from one address for everything else; twice as many may come at once. Above: 429.",
    )

    @property
    def base_url(self) -> str:
        """The public address, which is also the issuer of tokens."""
        address = ipaddress.ip_address(self.bind)
        if address.is_unspecified or self.bind in LOCALHOST:
            return f"https://localhost:{self.port}"
        return f"https://{f'[{address}]' if address.version == 6 else address}:{self.port}"


DESCRIBED = tuple(
    Row(
        f"ARTSTORE_{each.name.upper()}",
        each.metadata["type"],
        UNSET if each.default in (MISSING, None, ()) else str(each.default),
        each.metadata["description"],
    )
    for each in fields(Settings)
)
"""What `--describe` shows: a row for each setting above. Whatever begins with a process's prefix is handed to it."""


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings. Raises `StandaloneError` naming every wrong one."""
    problems = tracing.problems(environment)
    settings = Settings(
        home=_home(environment, problems),
        port=_port(environment.get("ARTSTORE_PORT") or str(Settings.port), problems),
        bind=_address(environment.get("ARTSTORE_BIND") or Settings.bind, problems),
        postgres_dsn=_dsn(environment.get("ARTSTORE_POSTGRES_DSN") or None, problems),
        postgres_user=environment.get("ARTSTORE_POSTGRES_USER") or Settings.postgres_user,
        trace_file=_file(environment.get("ARTSTORE_TRACE_FILE")),
        cors_origins=_origins(environment.get("ARTSTORE_CORS_ORIGINS", ""), problems),
        auth_rate=_rate("ARTSTORE_AUTH_RATE", environment, Settings.auth_rate, problems),
        rate=_rate("ARTSTORE_RATE", environment, Settings.rate, problems),
    )
    if problems:
        raise StandaloneError("\n".join(problems))
    return settings


def _home(environment: Mapping[str, str], problems: list[str]) -> Path:
    chosen = environment.get("ARTSTORE_HOME")
    if chosen:
        # Resolved, because postgres, the elements and Envoy each see the path from another working directory.
        return Path(chosen).expanduser().resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/artstore")
    data = environment.get("XDG_DATA_HOME")
    if data and Path(data).is_absolute():  # the XDG specification: relative ones are ignored
        return Path(data) / "artstore"
    if not environment.get("HOME"):
        problems.append("Neither ARTSTORE_HOME nor HOME is set: set ARTSTORE_HOME to the folder for ArtStore's data.")
        return Path()
    return Path(environment["HOME"]) / ".local/share/artstore"


def _file(chosen: str | None) -> Path | None:
    # Resolved, because every process works in a folder of its own.
    return Path(chosen).expanduser().resolve() if chosen else None


def _port(text: str, problems: list[str]) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    problems.append(f"ARTSTORE_PORT must be a number from 1 to 65535, not {text!r}.")
    return Settings.port


def _address(text: str, problems: list[str]) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        problems.append(f"ARTSTORE_BIND must be an IP address, such as 127.0.0.1 or 0.0.0.0, not {text!r}.")
        return Settings.bind


def _origins(text: str, problems: list[str]) -> tuple[str, ...]:
    origins = tuple(filter(None, (part.strip() for part in text.split(","))))
    # RFC 6454 section 6.2: what a browser sends, compared as it is.
    problems += [
        f"ARTSTORE_CORS_ORIGINS: {origin!r} is no origin such as https://app.example.org."
        for origin in origins
        if not re.fullmatch(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]+)?", origin)
    ]
    return origins


def _rate(name: str, environment: Mapping[str, str], default: int, problems: list[str]) -> int:
    text = environment.get(name) or str(default)
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_RATE:
        return int(text)
    problems.append(f"{name} must be a number of requests a second from 1 to {MAX_RATE}, not {text!r}.")
    return default


def _dsn(text: str | None, problems: list[str]) -> str | None:
    if text and not text.startswith(("postgresql://", "postgres://")):
        # Its value may hold a password, so it is not repeated.
        problems.append("ARTSTORE_POSTGRES_DSN must begin with postgresql://.")
    return text
