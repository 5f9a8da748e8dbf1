"""What runs, with which settings, in which order."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from services.standalone import build, database, ports
from services.standalone.config import Settings
from services.standalone.console import Console
from services.standalone.credentials import Credentials, read
from services.standalone.home import Home, prepare
from services.standalone.plan import Plan
from services.standalone.programs import Program
from tests.support.processes import free_port

INHERITED = {
    "PATH": "/bin",
    "SE_MAX_FILE_SIZE": "10MiB",
    "SE_STORAGE_ID": "se-mine",
    "GW_LOG_LEVEL": "debug",
    "ARTSTORE_POSTGRES_DSN": "postgresql://me:hunter2@db/art",
}
SETTINGS_OF = {
    "migrate": ("services.admin.config", "MigrateSettings"),
    "admin": ("services.admin.config", "Settings"),
    "se-edit-01": ("services.storage.config", "Settings"),
    "se-rw-01": ("services.storage.config", "Settings"),
    "ingester": ("services.ingester.config", "Settings"),
    "query": ("services.query.config", "Settings"),
    "gateway": ("gateway.config", "Settings"),
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepare(tmp_path / "home")


@pytest.fixture
def plan(home: Home) -> Plan:
    """With somebody else's PostgreSQL: nothing is installed or started."""
    settings = Settings(home.root, port=free_port(), postgres_dsn="postgresql://me:hunter2@db/art")
    reservations = ports.Reservations()
    try:
        return build.plan(settings, home, Console(), home.run, reservations, INHERITED)
    finally:
        reservations.release()


@pytest.fixture
def programs(plan: Plan) -> dict[str, Program]:
    return {program.name: program for program in plan.programs()}


def test_everything_runs(programs: dict[str, Program]) -> None:
    assert programs.keys() == {*SETTINGS_OF, "envoy"}


@pytest.mark.parametrize("name", SETTINGS_OF)
def test_each_process_accepts_its_settings(
    programs: dict[str, Program], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, cls = SETTINGS_OF[name]
    settings: Callable[[], BaseSettings] = getattr(importlib.import_module(module), cls)
    environment = programs[name].environment
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    accepted = settings()
    prefix = str(accepted.model_config["env_prefix"])
    known = {f"{prefix}{field}".upper() for field in type(accepted).model_fields}
    told = {variable for variable in environment if variable.startswith(prefix)}
    # Migrations are told no more than Admin; Admin's issuer is its own, not one of tokens that it verifies.
    excused = {"AM_TOKEN_ISSUER", "AM_QUERY_ROLE", "AM_QUERY_PASSWORD_FILE", "AM_LOG_FORMAT", "SE_TOKEN_ISSUER"}
    assert told - known - excused - {"SE_TOKEN_AUDIENCE"} == set()


def test_no_secret_is_in_a_command_line(programs: dict[str, Program], plan: Plan) -> None:
    credentials = Credentials(plan.home.secrets)
    secrets = {
        "hunter2",
        *(read(path) for path in (credentials.client_secret, credentials.admin_password, credentials.query_password)),
        read(credentials.key_encryption_key),
    }
    for program in programs.values():
        assert not any(secret in argument for argument in program.command for secret in secrets)


def test_a_process_is_told_nothing_of_the_others(programs: dict[str, Program]) -> None:
    for name in ("se-edit-01", "ingester", "gateway", "envoy"):
        text = repr(dict(programs[name].environment))
        assert "hunter2" not in text
        assert "AM_" not in text
    assert "SE_MAX_FILE_SIZE" not in programs["gateway"].environment


def test_what_a_person_sets_reaches_the_process_unless_it_is_settled_here(programs: dict[str, Program]) -> None:
    assert programs["se-edit-01"].environment["SE_MAX_FILE_SIZE"] == "10MiB"
    assert programs["se-edit-01"].environment["SE_STORAGE_ID"] == "se-edit-01"
    assert programs["gateway"].environment["GW_LOG_LEVEL"] == "debug"


def test_query_reads_with_a_role_of_its_own(programs: dict[str, Program], plan: Plan) -> None:
    dsn = programs["query"].environment["QM_POSTGRES_DSN"]
    assert dsn == database.with_role(
        "postgresql://me:hunter2@db/art", plan.database.query_role, read(plan.credentials.query_password)
    )
    assert programs["migrate"].environment["AM_QUERY_ROLE"] == plan.database.query_role


def test_the_order_of_start_and_stop(programs: dict[str, Program]) -> None:
    stops_before: dict[str, set[str]] = {
        name: set(program.outlives) | {other.name for other in programs.values() if name in other.after}
        for name, program in programs.items()
    }
    assert programs["admin"].after == {"migrate"}
    assert programs["se-rw-01"].after == frozenset()
    assert programs["envoy"].after == {"gateway"}
    assert stops_before["envoy"] == set()
    assert stops_before["gateway"] == {"envoy"}
    assert "gateway" in stops_before["ingester"]
    assert {"ingester", "query", "gateway"} <= stops_before["admin"]
    assert {"admin", "ingester", "query"} <= stops_before["se-edit-01"]


def test_the_configuration_of_envoy_survives_odd_paths(tmp_path: Path) -> None:
    home = prepare(tmp_path / 'a "quoted" $HOME: [x] {y} #z')
    settings = Settings(home.root, port=free_port(), postgres_dsn="postgresql://db/art")
    reservations = ports.Reservations()
    try:
        made = build.plan(settings, home, Console(), home.run, reservations, {})
    finally:
        reservations.release()
    configuration: dict[str, Any] = yaml.safe_load(made.edge().render())
    assert configuration["admin"]["address"]["pipe"]["path"] == str(home.run / "envoy-admin.sock")
