"""What is pinned is what pyproject.toml asks for. `nox -s pin` mends a difference."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from tests.architecture.tree import ROOT, pyproject

ASKED_FOR: dict[str, list[str]] = {
    "runtime": pyproject()["project"]["dependencies"],
    "build": pyproject()["build-system"]["requires"],
    **pyproject()["project"]["optional-dependencies"],
}

PINNED_FOR = {
    "requirements.txt": ("runtime", "build", "editable"),
    "requirements-dev.txt": ("runtime", "build", "editable", "dev"),
}

GRPC = ("grpcio", "grpcio-status", "grpcio-health-checking", "grpcio-reflection", "grpcio-tools")


def pins(file: str) -> dict[str, str]:
    """The version pinned for each name in the requirements file."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


@pytest.mark.parametrize("file", PINNED_FOR)
def test_every_requirement_is_pinned_within_its_range(file: str) -> None:
    pinned = pins(file)
    asked = [Requirement(line) for group in PINNED_FOR[file] for line in ASKED_FOR[group]]
    assert [str(each) for each in asked if not each.specifier.contains(pinned.get(each.name, "0"))] == []


@pytest.mark.parametrize("file", PINNED_FOR)
def test_every_pin_has_its_hashes(file: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / file).read_text().strip())
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_developers_run_what_is_shipped() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_grpc_and_its_code_generator_are_of_one_release() -> None:
    pinned = pins("requirements-dev.txt")
    assert len({pinned[name] for name in GRPC}) == 1
