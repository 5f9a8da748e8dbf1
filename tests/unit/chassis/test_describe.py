"""The table of settings says what would be written."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.chassis.describe import Row, rows, text
from services.chassis.settings import ByteSize, Duration


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Example(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="XX_")
    name: str = Field(description="Who.")
    size: ByteSize = Field(64 << 20, description="How large.")
    odd_size: ByteSize = Field(1500, description="How odd.")
    pause: Duration = Field(timedelta(minutes=15), description="How long.")
    short: Duration = Field(timedelta(seconds=0.5), description="How short.")
    colour: Colour = Field(Colour.RED, description="Which.")
    style: Literal["json", "text"] = Field("json", description="How.")
    on: bool = Field(False, description="Whether.")
    file: Path | None = Field(None, description="Where.")
    secret: SecretStr = Field(SecretStr("hunter2"), description="What.")
    count: int = Field(0, description="How many.")


@pytest.mark.parametrize(
    ("variable", "kind", "default"),
    [
        ("XX_NAME", "text", "required"),
        ("XX_SIZE", "size", "64MiB"),
        ("XX_ODD_SIZE", "size", "1500"),
        ("XX_PAUSE", "duration", "15m"),
        ("XX_SHORT", "duration", "0.5s"),
        ("XX_COLOUR", "one of red, blue", "red"),
        ("XX_STYLE", "one of json, text", "json"),
        ("XX_ON", "true or false", "false"),
        ("XX_FILE", "path", "unset"),
        ("XX_COUNT", "integer", "0"),
    ],
)
def test_a_setting_is_shown_as_it_is_written(variable: str, kind: str, default: str) -> None:
    (row,) = [each for each in rows(Example) if each.variable == variable]
    assert (row.type, row.default) == (kind, default)


def test_a_secret_default_is_not_shown() -> None:
    assert "hunter2" not in text(rows(Example))


def test_a_setting_of_two_classes_is_listed_once() -> None:
    class More(Example):
        extra: int = Field(1, description="More.")

    assert [row.variable for row in rows(Example, More)] == [*(r.variable for r in rows(Example)), "XX_EXTRA"]


def test_columns_are_aligned() -> None:
    shown = text([Row("A", "text", "x", "One."), Row("LONGER", "size", "1GiB", "Two.")]).splitlines()
    assert len({line.index(word) for line, word in zip(shown, ("DESCRIPTION", "One.", "Two."), strict=True)}) == 1
