"""Where things may lie, how long they may be, and what no file may say."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import ROOT, contract, pyproject, tracked

ROOTS = {
    *(
        ".ci",
        ".editorconfig",
        ".env.example",
        ".gitignore",
        ".pre-commit-config.yaml",
        "Makefile",
        "buf.yaml",
        "noxfile.py",
    ),
    *("pyproject.toml", "requirements.txt", "requirements-dev.txt"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "README.ru.md", "docs"),
    *("clients", "envoy", "gateway", "proto", "services", "tests", "tools"),
}
"""All that may lie in the root; something new needs a room first, and a line in CONTRIBUTING.md."""

TEST_ROOMS = {"architecture", "unit", "contract", "faults", "service", "mesh", "oidc", "bench", "doubles", "support"}

SHARED = {"chassis", "model", "standalone"}
"""Packages of `services` that are not a process of their own."""

MOST_LINES = 500

MACHINE_PATH = re.compile(r"(?:^|[^\w.~-])/(?:work|root|home/[a-z]+|Users/[A-Za-z]+)/")
PACKAGE_INDEX = re.compile(
    r"https?://\S+?(?:\.whl|\.tgz|\.tar\.gz|/simple/?)(?![A-Za-z])"
    r"|\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b"
    r"|^\s*-?-?(?:extra-)?index-url\b|^\s*--find-links\b",
    re.MULTILINE,
)


def test_the_root_holds_only_what_is_listed() -> None:
    assert {path.parts[0] for path in tracked()} <= ROOTS


def test_every_process_keeps_the_rules_of_rooms() -> None:
    packages = {path.parts[1] for path in tracked() if path.match("services/*/__init__.py") and len(path.parts) == 3}
    containers = set(contract("rooms")["containers"])
    assert {f"services.{name}" for name in packages - SHARED} <= containers
    assert all(container in contract("house")["layers"][1] for container in containers)


def test_every_package_that_ships_is_under_the_import_contracts() -> None:
    packages = {path.parts[0] for path in tracked() if path.match("*/__init__.py") and len(path.parts) == 2}
    assert packages - {"tests", "tools"} <= set(pyproject()["tool"]["importlinter"]["root_packages"])


def test_tests_lie_in_known_rooms() -> None:
    rooms = {path.parts[1] for path in tracked() if path.parts[0] == "tests" and len(path.parts) > 2}
    assert rooms <= TEST_ROOMS


def test_no_module_is_longer_than_can_be_read() -> None:
    long = {
        str(path): lines
        for path in tracked()
        if path.suffix == ".py" and not path.is_relative_to("proto/gen")
        if (lines := len((ROOT / path).read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


@pytest.mark.parametrize("forbidden", [MACHINE_PATH, PACKAGE_INDEX], ids=["machine path", "package index"])
def test_no_file_names_a_machine_or_an_index(forbidden: re.Pattern[str]) -> None:
    named = {str(path): found.group() for path in tracked() if (found := forbidden.search(text_of(path)))}
    assert named == {}


@pytest.mark.parametrize(
    ("forbidden", "line"),
    [
        (MACHINE_PATH, "see /" + "home/anna/notes"),
        (MACHINE_PATH, "cd '/" + "work/main/x'"),
        (PACKAGE_INDEX, "https" + "://example.org/simple/grpcio"),
        (PACKAGE_INDEX, "https" + "://example.org/a-1.0-py3-none-any.whl"),
        (PACKAGE_INDEX, "--index" + "-url whatever"),
        (PACKAGE_INDEX, "py" + "pi.org"),
    ],
)
def test_the_patterns_bite(forbidden: re.Pattern[str], line: str) -> None:
    assert forbidden.search(line)


def text_of(path: object) -> str:
    return (ROOT / str(path)).read_text(errors="replace")
