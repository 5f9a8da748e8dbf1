"""Every setting of every process is described, and every process tells its settings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from services.chassis.settings import ProcessSettings, TelemetrySettings
from services.standalone import config
from tests.architecture.tree import ROOT, contract
from tools.settings import CLASSES


def undescribed(cls: type[BaseSettings]) -> list[str]:
    """The fields that say nothing of themselves."""
    return [name for name, field in cls.model_fields.items() if not (field.description or "").strip()]


@pytest.mark.parametrize("cls", [each for classes in CLASSES.values() for each in classes] + [TelemetrySettings])
def test_every_setting_is_described(cls: type[BaseSettings]) -> None:
    assert undescribed(cls) == []


def test_an_undescribed_setting_is_found() -> None:
    class Careless(ProcessSettings):
        silent: int = 1

    assert undescribed(Careless) == ["silent"]


def test_every_process_is_in_the_documents() -> None:
    assert set(CLASSES) == set(contract("rooms")["containers"])


def test_every_setting_of_the_standalone_run_is_described_and_read() -> None:
    described = {row.variable for row in config.DESCRIBED if row.description.strip()}
    assert described == set(re.findall(r'"(ARTSTORE_[A-Z_]+)"', Path(config.__file__).read_text()))


@pytest.mark.parametrize("module", [*CLASSES, "services.standalone"])
def test_every_process_describes_its_settings_without_being_told_any(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--describe"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    variables = {line.split()[0] for line in done.stdout.splitlines()[1:]}
    prefixes = {str(each.model_config["env_prefix"]) for each in CLASSES.get(module, ())} or {"ARTSTORE_"}
    assert all(any(name.startswith(prefix) for name in variables) for prefix in prefixes)
    assert "ARTSTORE_TRACE_FILE" in variables
