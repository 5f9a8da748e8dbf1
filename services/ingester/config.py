"""The ingester's settings: environment variables that begin with `IM_`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.chassis.settings import Port, ProcessSettings, TokenSettings, TransferSettings


class Settings(ProcessSettings, TokenSettings, TransferSettings):
    """What a serving ingester must be told."""

    model_config = SettingsConfigDict(env_prefix="IM_", frozen=True, extra="ignore")

    port: Port = Field(8020, description="Port of the gRPC server.")
    ops_port: Port = Field(8021, description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    admin_addr: str = Field(description="host:port of Admin's gRPC server.", min_length=1)
