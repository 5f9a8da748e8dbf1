"""Settings from the environment, one class a process. Every problem is reported, not just the first."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.chassis.tls import TlsFiles

_SIZE_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATION_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_size(value: Any) -> Any:
    """Bytes from "1GiB", "64 MiB" or a plain number; anything that is not text is left to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", value.strip())
    if match is None or match[2] not in _SIZE_UNITS:
        raise ValueError('must be a number of bytes or a size such as "64MiB" or "1GiB"')
    return int(match[1]) * _SIZE_UNITS[match[2]]


def parse_duration(value: Any) -> Any:
    """A `timedelta` from "90s", "15m", "24h", "7d" or "500ms"; anything that is not text is left to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value.strip())
    if match is None:
        raise ValueError('must be a duration such as "90s", "15m", "24h" or "7d"')
    return timedelta(**{_DURATION_UNITS[match[2]]: float(match[1])})


ByteSize = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
"""A number of bytes, written as such or as "1GiB"."""
Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]
"""A length of time, written "90s", "15m", "24h", "7d"."""
Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""


class ProcessSettings(BaseSettings):
    """What every process must be told. A subclass sets `env_prefix` and adds its own fields."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(description="Port of the main server.")
    ops_port: Port = Field(description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    tls_cert: Path = Field(description="PEM file: this process's certificate chain.")
    tls_key: Path = Field(description="PEM file: the key of that certificate.")
    tls_ca: Path = Field(description="PEM file: the authority that signs every module's certificate.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="One JSON object a line, or text for people."
    )
    dephealth_check_interval: Duration = Field(
        default=timedelta(seconds=10),
        description="How often it is asked how the things are that this process depends on (`app_dependency_*`): "
        "2s to 5m.",
        ge=timedelta(seconds=2),
        le=timedelta(minutes=5),
    )
    shutdown_timeout: Duration = Field(
        default=timedelta(seconds=30), description="How long requests in flight may take to end after SIGTERM."
    )

    shutdown_delay: Duration = Field(
        default=timedelta(0),
        description="How long requests are still taken after SIGTERM, until balancers have seen that it is not ready.",
    )

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(cert=self.tls_cert, key=self.tls_key, ca=self.tls_ca)


class TokenSettings(BaseSettings):
    """What a process that verifies tokens must be told."""

    token_issuer: str = Field(description="The `iss` that a valid token has: the public base URL.")
    token_audience: str = Field(default="artstore", description="The `aud` that a valid token has.")


class TransferSettings(BaseSettings):
    """What a process that moves documents must be told."""

    max_transfers: int = Field(
        default=240,
        ge=1,
        le=250,
        description="Uploads under way at most, and as many downloads: the next is refused with 503 and `Retry-After`. "
        "One whose client is slow holds about 1 MiB.",
    )


class TelemetrySettings(BaseSettings):
    """Where traces go: the same for every process of a mesh, and named as everywhere else."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="URL of an OpenTelemetry collector (OTLP over gRPC): http://localhost:4317."
    )
    artstore_trace_file: Path | None = Field(
        default=None, description="File to which spans are appended, one JSON object a line. For want of a collector."
    )


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(cls: type[SettingsT]) -> SettingsT:
    """Read the settings, or print every problem with the name of its variable and exit with status 2."""
    try:
        return cls()
    except ValidationError as error:
        prefix = cls.model_config.get("env_prefix", "")
        lines = [f"Cannot start: {error.error_count()} setting(s) are wrong."]
        for problem in error.errors(include_input=False, include_url=False):
            name = prefix + ".".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else "together"
            what = "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            lines.append(f"  {name}: {what}")
        sys.stderr.write("\n".join(lines) + "\n")
        sys.exit(2)


def read_secret(path: Path) -> str:
    """The secret in a file, surrounding white space removed. Raises `SystemExit` with the reason, never the secret."""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"Cannot read the secret file {path}: {type(error).__name__}") from None
    if not secret:
        raise SystemExit(f"The secret file {path} is empty")
    return secret
