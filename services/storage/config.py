"""An element's settings: environment variables that begin with `SE_`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.chassis.jwks import parse_jwks_url
from services.chassis.settings import ByteSize, Duration, Port, ProcessSettings, TransferSettings
from services.model.elements import Mode, ReplicaMode, parse_endpoint, parse_storage_id
from services.model.errors import ValidationFailed
from services.model.ids import StorageId, parse_uuid
from services.storage.domain.election import Patience
from services.storage.domain.modes import ModeOverride, parse_override


class Settings(ProcessSettings, TransferSettings):
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
        description="Bytes a second that scrub and reconciliation read at most, a file below 512 KiB counting as that "
        "much; it wins over SE_SCRUB_PERIOD. 0: as fast as the disk.",
    )

    restored: int = Field(
        0,
        ge=0,
        description="For a directory that was restored from a backup: the number of the newest file in its `.epochs`. "
        "One start begins the change feed and the index anew; later it does nothing. See docs/backup.md.",
    )
    new_identity: str = Field(
        "",
        description="For a copy that is to become an element of its own: the `element_uuid` of the original. Applies "
        "once: the copy has another one afterwards. See docs/backup.md.",
    )
    feed_retention: Duration = Field(
        timedelta(hours=24),
        description="For how long changes are kept, in the journal, for those who follow them, as Admin does.",
    )
    feed_max_size: ByteSize = Field(
        1 << 30,
        description="Bytes of the journal that are kept for that at most, some 1.7 million changes in 1 GiB; it wins "
        "over SE_FEED_RETENTION: who is further behind begins anew with a full listing. 0: no bound.",
    )
    replica_mode: ReplicaMode = Field(
        ReplicaMode.STANDALONE,
        description="`standalone`: this is the element's only process. `replicated`: several processes serve one "
        "shared SE_DATA_DIR, one of them leads; each has its own SE_INDEX_DIR, and SE_WAL_DIR stays unset.",
    )
    advertise_addr: str = Field(
        "",
        description="host:port at which the other processes of a replicated element reach this one. "
        "Unset: SE_HOST and SE_PORT, where SE_HOST is no wildcard.",
    )
    beat_interval: Duration = Field(
        timedelta(seconds=1), description="How often the leader of a replicated element shows that it lives."
    )
    beat_loss: Duration = Field(
        timedelta(seconds=5), description="After how long without a beat that could be written a leader steps down."
    )
    beat_silence: Duration = Field(
        timedelta(seconds=8),
        description="After how long without a beat a follower asks whether the leader lives, and else takes over; "
        "more than SE_BEAT_LOSS.",
    )
    index_refresh_interval: Duration = Field(
        timedelta(seconds=30),
        description="How often a follower of a replicated element brings its index up to date where the leader's "
        "feed does not tell it at once.",
    )

    upload_expiry: Duration = Field(
        timedelta(hours=24), description="How long a resumable upload is kept that nobody goes on with."
    )
    max_open_uploads: int = Field(1000, ge=1, description="Resumable uploads that may be open at the same time.")

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

    @field_validator("advertise_addr")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return parse_endpoint(value) if value else value
        except ValidationFailed as error:
            raise ValueError(error.details[0].message) from None

    @model_validator(mode="after")
    def _replicated(self) -> Self:
        if self.replica_mode is ReplicaMode.REPLICATED:
            if self.wal_dir is not None:
                raise ValueError("SE_WAL_DIR: the journal of a replicated element lies in SE_DATA_DIR")
            if self.index_dir is None:
                raise ValueError("SE_INDEX_DIR: each process of a replicated element needs its own")
            if not self.advertise_addr and self.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
                raise ValueError("SE_ADVERTISE_ADDR: where do the others reach this process? SE_HOST does not say it")
            if not self.beat_interval < self.beat_loss < self.beat_silence:
                raise ValueError("SE_BEAT_INTERVAL, SE_BEAT_LOSS and SE_BEAT_SILENCE must be longer one than the other")
        return self

    @property
    def advertised(self) -> tuple[str, int]:
        """Host and port at which the other processes of the element reach this one."""
        host, _, port = self.advertise_addr.rpartition(":")
        return (host.strip("[]"), int(port)) if host else (self.host, self.port)

    @property
    def patience(self) -> Patience:
        """Of the processes of a replicated element."""
        return Patience(silence=self.beat_silence.total_seconds(), loss=self.beat_loss.total_seconds())

    @field_validator("new_identity")
    @classmethod
    def _uuid(cls, value: str) -> str:
        try:
            return parse_uuid(value, field="new_identity") if value else ""
        except ValidationFailed as error:
            raise ValueError(error.details[0].message) from None

    @property
    def override(self) -> ModeOverride | None:
        """The way out of `ar`, if one was given."""
        return parse_override(self.mode_override) if self.mode_override else None

    @property
    def index_folder(self) -> Path:
        """Where the index lies."""
        return self.index_dir or self.data_dir.with_name(self.data_dir.name + ".index")
