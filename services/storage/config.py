"""An element's settings: environment variables that begin with `SE_`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.chassis.jwks import parse_jwks_url
from services.chassis.settings import ByteSize, Duration, Port, ProcessSettings
from services.model.elements import Mode, parse_storage_id
from services.model.errors import ValidationFailed
from services.model.ids import StorageId
from services.storage.domain.modes import ModeOverride, parse_override


class Settings(ProcessSettings):
    """What an element must be told. Sizes as bytes or as "1GiB"."""

    model_config = SettingsConfigDict(env_prefix="SE_", frozen=True, extra="ignore")

    port: Port = Field(8010, description="Port of the gRPC server.")
    ops_port: Port = Field(8011, description="Port of /health/live, /health/ready and /metrics (plain HTTP).")
    storage_id: StorageId = Field(description="The element's name, a DNS label; its certificate names it too.")
    data_dir: Path = Field(description="The element's directory: everything that counts lies there.")
    index_dir: Path | None = Field(
        None,
        description="Folder of the rebuildable index: local, outside of SE_DATA_DIR, one for each element. "
        "Unset: `<SE_DATA_DIR>.index` beside it.",
    )
    wal_dir: Path | None = Field(
        None,
        description="Folder of the journal, for one on another disk; one for each element. "
        "Unset: `.wal` in SE_DATA_DIR. Once it has been used it belongs to the element.",
    )
    wal_reset: str = Field(
        "",
        description="The `element_uuid` of an element whose journal is damaged: sets that journal aside and makes the "
        "index anew. Does nothing to a journal that is well.",
    )
    init: bool = Field(False, description="Whether an empty directory may become a new element.")
    mode: Mode = Field(Mode.EDIT, description="Mode of a new element: edit, rw, ro or ar. Later, `mode.json` counts.")
    mode_override: str = Field(
        "",
        description="The only way out of mode `ar`: `rw@N` or `ro@N`, where N is the revision in `mode.json`. "
        "Applies once, at a start; with any other revision it does nothing.",
    )
    max_file_size: ByteSize = Field(1 << 30, description="Largest file that is taken.")
    min_free_space: ByteSize = Field(64 << 20, description="What uploads leave free on the file system.")
    capacity: ByteSize = Field(0, description="What the element may hold; 0: as much as the file system.")

    jwks_url: str = Field(
        "",
        description="Where the keys are that verify tokens for this very element: "
        "`https://<public address>/.well-known/jwks.json`. Unset: it takes no tokens, only calls of other modules.",
    )
    jwks_ca: Path | None = Field(
        None,
        description="PEM file with authorities believed at that address, beside the system's own. Unset: SE_TLS_CA.",
    )
    token_issuer: str = Field(
        "", description="The `iss` that those tokens have: the public base URL. Needed where SE_JWKS_URL is set."
    )

    gc_interval: Duration = Field(timedelta(minutes=15), description="How often garbage is collected.")
    gc_grace: Duration = Field(
        timedelta(hours=24), description="From the deletion or the expiry of a file to the destruction of its bytes."
    )
    reconcile_interval: Duration = Field(
        timedelta(hours=24), description="How often attributes, bytes and index are compared; 0: only on request."
    )
    scrub_period: Duration = Field(timedelta(days=7), description="How often every byte is read again.")
    scrub_rate: ByteSize = Field(
        32 << 20,
        description="Bytes a second that scrub and reconciliation read at most; it wins over SE_SCRUB_PERIOD. "
        "0: as fast as the disk.",
    )

    feed_retention: Duration = Field(
        timedelta(hours=24),
        description="For how long changes are kept at least, in the journal, for those who follow them, as Admin does.",
    )

    @field_validator("storage_id")
    @classmethod
    def _dns_label(cls, value: str) -> StorageId:
        try:
            return parse_storage_id(value)
        except ValidationFailed as error:
            raise ValueError(error.details[0].message) from None

    @field_validator("jwks_url")
    @classmethod
    def _jwks_url(cls, value: str) -> str:
        return parse_jwks_url(value) if value else value

    @model_validator(mode="after")
    def _issuer(self) -> Self:
        if self.jwks_url and not self.token_issuer:
            raise ValueError("SE_TOKEN_ISSUER must be set where SE_JWKS_URL is")
        return self

    @field_validator("mode_override")
    @classmethod
    def _override(cls, value: str) -> str:
        try:
            if value:
                parse_override(value)
        except ValidationFailed as error:
            raise ValueError(error.details[0].message) from None
        return value

    @property
    def override(self) -> ModeOverride | None:
        """The way out of `ar`, if one was given."""
        return parse_override(self.mode_override) if self.mode_override else None

    @property
    def index_folder(self) -> Path:
        """Where the index lies."""
        return self.index_dir or self.data_dir.with_name(self.data_dir.name + ".index")
