"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from services.chassis.settings import Port, ProcessSettings, TokenSettings, TransferSettings


def _origin(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("https", "http") or not separator or not rest or "?" in rest or "#" in rest:
        raise ValueError("must be a URL such as https://localhost:8443")
    return url.rstrip("/")


class Settings(ProcessSettings, TokenSettings, TransferSettings):
    """Read from `GW_…`."""

    model_config = SettingsConfigDict(env_prefix="GW_", frozen=True, extra="ignore")

    port: Port = Field(8040, description="Port of the REST server (HTTPS, for Envoy).")
    ops_port: Port = Field(8041, description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    admin_addr: str = Field(min_length=1, description="host:port of Admin's gRPC server.")
    ingester_addr: str = Field(min_length=1, description="host:port of the ingester's gRPC server.")
    query_addr: str = Field(min_length=1, description="host:port of Query's gRPC server.")
    public_url: Annotated[str, AfterValidator(_origin)] = Field(
        description="What clients write before /api/v1: https://host[:port] of Envoy."
    )
