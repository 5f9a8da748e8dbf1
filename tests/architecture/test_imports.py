"""Each import contract refuses the import that it is there for.

All violations are planted at once, each in a place of its own, in a copy of the packages; then import-linter runs
once, and each must be named under the contract meant for it. That the real tree keeps all contracts is `nox -s lint`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, contract, pyproject

CONTRACTS: dict[str, str] = {each["name"]: each["id"] for each in pyproject()["tool"]["importlinter"]["contracts"]}
"""The id of each contract by its name, which is what import-linter prints."""

PACKAGES = ("services", "gateway", "clients")
EVERY_PROCESS_HAS = ("__main__", "app", "config")

VIOLATIONS = [
    # contract, importing module, imported module
    ("house", "services.query.usecases", "services.storage.domain"),
    ("house", "services.ingester.rpc", "services.admin.config"),
    ("house", "gateway.http", "services.query.rpc"),
    ("house", "services.admin.config", "services.standalone"),
    ("house", "clients", "services.ingester.domain"),
    ("house", "services.chassis", "clients"),
    ("house", "services.model", "services.chassis"),
    ("rooms", "services.storage.domain", "services.storage.ports"),
    ("rooms", "services.storage.ports", "services.storage.usecases"),
    ("rooms", "services.storage.usecases", "services.storage.store"),
    ("rooms", "services.storage.rpc", "services.storage.store"),
    ("rooms", "services.storage.store", "services.storage.rpc"),
    ("rooms", "services.admin.config", "services.admin.app"),
    ("starter", "services.standalone", "services.storage.store"),
    ("starter", "services.standalone", "gateway.app"),
    ("pure", "services.storage.domain", "pathlib"),
    ("pure", "services.model", "logging"),
    ("sql", "services.admin.usecases", "asyncpg"),
    ("sql", "services.chassis", "asyncpg"),
    ("wire", "services.query.usecases", "artstore.types.v1.file_pb2"),
    ("wire", "gateway.http", "artstore.query.v1"),
    ("transport", "services.query.store", "grpc"),
    ("transport", "gateway.app", "grpc"),
    ("edge", "services.chassis", "litestar"),
    ("edge", "services.query.usecases", "litestar"),
    ("ports", "services.ingester.usecases", "clients"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their contracts, with every room that a violation needs."""
    copy = tmp_path_factory.mktemp("house")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "proto/gen/artstore", copy / "artstore")
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    return copy


@pytest.fixture(scope="module")
def findings(tree: Path) -> dict[str, str]:
    """What import-linter says under each contract once all violations are planted."""
    for number, (_, importer, imported) in enumerate(VIOLATIONS):
        if imported.startswith(PACKAGES):
            write(tree, imported, "")
        write(tree, importer, f"import {imported} as planted_{number}\n")
    write(tree, "services.query.helpers", "")
    return broken(tree)


def write(tree: Path, module: str, line: str) -> None:
    """Add a line to a module of the copy; a room that is not there yet is made."""
    place = tree.joinpath(*module.split("."))
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    path.touch()
    path.write_text(path.read_text() + "\n" + line)


def broken(tree: Path) -> dict[str, str]:
    """Run import-linter on the copy; return what it prints under each broken contract, by the contract's id."""
    program = Path(sys.executable).parent / "lint-imports"
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=tree, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    *_, said = done.stdout.partition("Broken contracts")
    assert said, done.stdout + done.stderr
    pieces = re.split(rf"^({'|'.join(map(re.escape, CONTRACTS))})\n-+\n", said, flags=re.MULTILINE)
    return {CONTRACTS[name]: text for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


@pytest.mark.parametrize(("contract_id", "importer", "imported"), VIOLATIONS)
def test_a_planted_import_is_refused_by_its_contract(
    findings: dict[str, str], contract_id: str, importer: str, imported: str
) -> None:
    said = findings[contract_id]
    link = rf"{re.escape(importer)} -> {re.escape(imported)}\b"
    assert re.search(link, said), said


def test_a_module_without_a_room_is_refused(findings: dict[str, str]) -> None:
    assert "services.query.helpers" in findings["rooms"]


def test_no_contract_goes_untried() -> None:
    assert set(CONTRACTS.values()) == {contract_id for contract_id, *_ in VIOLATIONS}


def test_every_process_begins_alike() -> None:
    for container in contract("rooms")["containers"]:
        folder = ROOT.joinpath(*container.split("."))
        assert all((folder / f"{name}.py").exists() for name in EVERY_PROCESS_HAS), container
