"""Every setting that an element was promised to have, with the default that was named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.chassis.settings import load
from services.model.elements import ReplicaMode
from services.storage.config import Settings

NEEDED = {
    "SE_STORAGE_ID": "se-edit-01", "SE_DATA_DIR": "/data", "SE_TLS_CERT": "/cert", "SE_TLS_KEY": "/key",
    "SE_TLS_CA": "/ca",
}  # fmt: skip
OTHERS = {
    "SE_PORT", "SE_OPS_PORT", "SE_ADVERTISE_ADDR", "SE_WAL_DIR", "SE_INDEX_DIR", "SE_INIT", "SE_MODE",
    "SE_MODE_OVERRIDE", "SE_SCRUB_RATE", "SE_MAX_OPEN_UPLOADS", "SE_JWKS_URL", "SE_LOG_LEVEL", "SE_LOG_FORMAT",
    "SE_DEPHEALTH_CHECK_INTERVAL", "SE_RESTORED", "SE_NEW_IDENTITY", "SE_WAL_RESET",
}  # fmt: skip
DEFAULTS = {
    "SE_REPLICA_MODE": ReplicaMode.STANDALONE,
    "SE_MAX_FILE_SIZE": 1 << 30,
    "SE_MIN_FREE_SPACE": 64 << 20,
    "SE_CAPACITY": 0,
    "SE_GC_INTERVAL": timedelta(minutes=15),
    "SE_GC_GRACE": timedelta(hours=24),
    "SE_RECONCILE_INTERVAL": timedelta(hours=24),
    "SE_SCRUB_PERIOD": timedelta(days=7),
    "SE_UPLOAD_EXPIRY": timedelta(hours=24),
    "SE_FEED_RETENTION": timedelta(hours=24),
    "SE_INDEX_REFRESH_INTERVAL": timedelta(seconds=30),
    "SE_SHUTDOWN_TIMEOUT": timedelta(seconds=30),
}


def field(name: str) -> str:
    return name.removeprefix("SE_").lower()


def test_every_setting_is_there_and_described() -> None:
    for name in (*NEEDED, *OTHERS, *DEFAULTS):
        assert Settings.model_fields[field(name)].description, name


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items(), ids=DEFAULTS)
def test_the_defaults_are_those_that_were_named(name: str, default: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for each, value in NEEDED.items():
        monkeypatch.setenv(each, value)
    assert getattr(load(Settings), field(name)) == default


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("SE_MAX_FILE_SIZE", "1GiB", 1 << 30), ("SE_CAPACITY", "1024", 1024),
        *(("SE_GC_GRACE", text, meant) for text, meant in (
            ("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("24h", timedelta(days=1)),
            ("7d", timedelta(days=7)),
        )),
    ],
)  # fmt: skip
def test_sizes_and_durations_are_written_as_people_write_them(
    name: str, text: str, meant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, value in {**NEEDED, name: text}.items():
        monkeypatch.setenv(each, value)
    assert getattr(load(Settings), field(name)) == meant
