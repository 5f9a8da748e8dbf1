"""Query's settings: environment variables that begin with `QM_`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.chassis.settings import Duration, Port, ProcessSettings, TokenSettings, TransferSettings


class Settings(ProcessSettings, TokenSettings, TransferSettings):
    """What a serving Query must be told."""

    model_config = SettingsConfigDict(env_prefix="QM_", frozen=True, extra="ignore")

    port: Port = Field(8030, description="Port of the gRPC server.")
    ops_port: Port = Field(8031, description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    admin_addr: str = Field(description="host:port of Admin's gRPC server.", min_length=1)
    postgres_dsn: SecretStr = Field(
        description="postgresql://… of a role that may read query_v1.files and query_v1.schema_version."
    )
    postgres_pool: int = Field(8, ge=1, le=500, description="Most connections to PostgreSQL.")
    statement_timeout: Duration = Field(
        timedelta(seconds=5), description="How long one search may take before PostgreSQL gives it up."
    )
