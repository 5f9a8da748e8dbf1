"""Settings say everything that is wrong with them at once, and never a secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.chassis.settings import ByteSize, Duration, ProcessSettings, load, parse_duration, parse_size, read_secret


class Example(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="XX_", frozen=True)
    room: ByteSize = 1
    pause: Duration = Field(timedelta(seconds=1))


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4096", 4096), ("64MiB", 64 << 20), ("1 GiB", 1 << 30), ("2TiB", 2 << 40)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1GB", "GiB", "1.5GiB", "1e9", "one"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800), ("500ms", 0.5), ("0s", 0)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "-5s", "1w", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_every_problem_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XX_PORT", "99999")
    monkeypatch.setenv("XX_ROOM", "lots")
    with pytest.raises(SystemExit) as end:
        load(Example)
    said = capsys.readouterr().err
    assert end.value.code == 2
    for name in ("XX_PORT", "XX_ROOM", "XX_OPS_PORT: is not set", "XX_TLS_CERT", "XX_TLS_KEY", "XX_TLS_CA"):
        assert name in said
    assert "99999" not in said  # values may be secrets


def test_a_secret_comes_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    assert read_secret(file) == "s3cret"


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_secret_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    with pytest.raises(SystemExit, match="empty"):
        read_secret(file)


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="FileNotFoundError"):
        read_secret(tmp_path / "none")
