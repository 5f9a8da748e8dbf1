"""What a process must be told to be one of several of its element."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.storage.config import Settings


def settings(**changes: Any) -> Settings:
    plain = {
        "storage_id": "se-1", "data_dir": Path("/data"), "index_dir": Path("/index"), "replica_mode": "replicated",
        "host": "10.0.0.7", "tls_cert": Path("c"), "tls_key": Path("k"), "tls_ca": Path("a"),
    }  # fmt: skip
    return Settings(**{**plain, **changes})


def test_it_is_reached_where_it_listens_or_where_it_says() -> None:
    assert settings().advertised == ("10.0.0.7", 8010)
    assert settings(advertise_addr="se-1-0.se-1:8010", host="0.0.0.0").advertised == ("se-1-0.se-1", 8010)  # noqa: S104 - compared
    assert settings(advertise_addr="[fd00::7]:9000").advertised == ("fd00::7", 9000)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"wal_dir": Path("/wal")}, "SE_WAL_DIR"),
        ({"index_dir": None}, "SE_INDEX_DIR"),
        ({"host": "0.0.0.0"}, "SE_ADVERTISE_ADDR"),  # noqa: S104 - compared
        ({"advertise_addr": "nowhere"}, "host:port"),
        ({"beat_loss": "9s"}, "SE_BEAT_SILENCE"),
        ({"beat_interval": "6s"}, "SE_BEAT_LOSS"),
        ({"replica_mode": "both"}, "replicated"),
    ],
)
def test_what_would_be_unsafe_or_useless_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        settings(**changes)


def test_alone_it_needs_none_of_that() -> None:
    alone = settings(replica_mode="standalone", wal_dir=Path("/wal"), index_dir=None, host="0.0.0.0")  # noqa: S104 - compared
    assert alone.wal_dir == Path("/wal")
