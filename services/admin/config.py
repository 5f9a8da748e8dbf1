"""Admin's settings: environment variables that begin with `AM_`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.chassis.settings import Duration, Port, ProcessSettings


class DatabaseSettings(BaseSettings):
    """What every command of Admin must be told."""

    model_config = SettingsConfigDict(env_prefix="AM_", frozen=True, extra="ignore")

    postgres_dsn: SecretStr = Field(
        description="postgresql://… of a role that owns the database and may create roles (CREATEROLE)."
    )


class MigrateSettings(DatabaseSettings):
    """What `migrate` must be told."""

    query_role: str = Field("artstore_query", description="Role by which Query reads its views.", min_length=1)
    query_password_file: Path | None = Field(
        None, description="File with that role's password; the role is made with it. Unset: you make the role."
    )


class Settings(ProcessSettings, DatabaseSettings):
    """What a serving Admin must be told."""

    model_config = SettingsConfigDict(env_prefix="AM_", frozen=True, extra="ignore")

    port: Port = Field(8000, description="Port of the gRPC server.")
    ops_port: Port = Field(8001, description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    postgres_pool: int = Field(16, ge=1, le=500, description="Most connections to PostgreSQL.")
    issuer: str = Field(description="`iss` of the tokens: the public base URL.", min_length=1)
    token_audience: str = Field("artstore", description="`aud` of the tokens.", min_length=1)
    token_lifetime: Duration = Field(timedelta(minutes=30), description="How long an access token is valid.")
    key_interval: Duration = Field(
        timedelta(hours=24), description="How long a signing key signs before the next one does."
    )
    key_publish_wait: Duration = Field(
        timedelta(seconds=180),
        description="How long a new key is published before it signs: longer than anybody keeps an old key set "
        "(60s here, 60s at Envoy, 15s between replicas).",
    )
    key_encryption_key_file: Path = Field(
        description="File with 32 random bytes in base64url; private signing keys are encrypted with it at rest."
    )
    system_client_id: str | None = Field(
        None, description="Client id of the system account, made at the first start. Unset: one is made up."
    )
    system_client_secret_file: Path | None = Field(
        None, description="File with its first secret. Unset: one is made up and shown once, on standard output."
    )
    admin_username: str | None = Field(None, description="The first administrator, made while there is no user at all.")
    admin_password_file: Path | None = Field(None, description="File with his password, 12 characters or more.")
    secret_lifetime: Duration = Field(
        timedelta(days=90),
        description="How long a service account's secret is valid where none is asked; 0s: for ever.",
    )
    secret_overlap: Duration = Field(
        timedelta(hours=24),
        description="How long the old secret stays valid after a rotation, where none is asked.",
    )
    refresh_lifetime: Duration = Field(
        timedelta(days=7), description="How long a person's refresh token is valid; each use gives a new one."
    )
    login_failures: int = Field(
        5, ge=1, le=1000, description="Failed logins in a row after which a name is locked out for a while."
    )
    login_lock: Duration = Field(timedelta(minutes=15), description="How long it is locked out.")
    trusted_issuers_file: Path | None = Field(
        None, description="JSON file with identity providers whose tokens are exchanged for ours; see docs/identity.md."
    )
    trusted_issuers_ca: Path | None = Field(
        None, description="PEM file with authorities believed where their keys are fetched, beside the system's own."
    )
    heartbeat_interval: Duration = Field(
        timedelta(seconds=5), description="How often each storage element is asked how it is."
    )
    failure_pause: Duration = Field(
        timedelta(seconds=30),
        description="How long new documents go elsewhere, if they can, after a storage element has failed an upload.",
    )
    sync_interval: Duration = Field(
        timedelta(hours=1), description="How often all that each storage element holds is compared with the registry."
    )
