"""The project's checks. `make test` runs the default sessions; `.venv/bin/nox -l` lists all.

Sessions use the environment that nox itself runs in: `make` has already filled it with the pinned requirements.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "types", "proto", "tests"]

ROOT = Path(__file__).parent
BIN = Path(sys.executable).parent
TYPED = [name for name in ("services", "gateway", "clients", "tools", "tests", "noxfile.py") if (ROOT / name).exists()]

TEST_FOLDERS = ("architecture", "unit", "contract", "faults", "service", "mesh")
"""Fastest first."""
SIDE_BY_SIDE = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
"""A file's tests one after the other, files on every core: most of them wait for processes to start and for disks."""
OIDC_PROVIDER = "oidc-provider@9.13.3"
"""From npm: a certified OpenID provider, with which the `oidc` session tests."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style (ruff), the directions of imports (import-linter), and the documents that are made from the code."""
    session.run(BIN / "ruff", "check", ".")
    session.run(BIN / "ruff", "format", "--check", ".")
    session.run(BIN / "lint-imports", "--no-logo")
    session.run(BIN / "python", "-m", "tools.documents", "check")


@nox.session
def types(session: nox.Session) -> None:
    """Types (mypy, strict)."""
    session.run(BIN / "mypy", *TYPED)


@nox.session
def proto(session: nox.Session) -> None:
    """The contract: buf lint and breaking, every RPC's requirement, stubs up to date. `-- write` writes the stubs."""
    session.run(BIN / "python", "-m", "tools.protos", *(session.posargs or ["check"]))


@nox.session
def stubs(session: nox.Session) -> None:
    """Write proto/gen afresh from the protos."""
    session.run(BIN / "python", "-m", "tools.protos", "write")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the documents that are made from the code: settings, metrics, .env.example."""
    session.run(BIN / "python", "-m", "tools.documents", "write")


@nox.session
def descriptors(session: nox.Session) -> None:
    """Write build/descriptors.binpb: what Envoy must know of the protos to speak JSON for them."""
    session.run(BIN / "python", "-m", "tools.protos", "descriptors")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, the fastest first; arguments after `--` go to pytest."""
    folders = [f"tests/{name}" for name in TEST_FOLDERS if (ROOT / "tests" / name).is_dir()]
    session.run(BIN / "python", "-m", "pytest", *SIDE_BY_SIDE, *folders, *session.posargs)


@nox.session
def mesh(session: nox.Session) -> None:
    """Only the tests of the whole mesh through Envoy; arguments after `--` go to pytest."""
    session.run(BIN / "python", "-m", "pytest", "tests/mesh", *session.posargs)


@nox.session
def oidc(session: nox.Session) -> None:
    """Tokens of a real OpenID provider (npm's oidc-provider, into build/) exchanged at a mesh; needs node and npm."""
    folder = ROOT / "build" / "oidc"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-package-lock", "--no-save", "--no-fund", "--no-audit", "--ignore-scripts")
    session.run("npm", "install", *quiet, "--prefix", folder, OIDC_PROVIDER, external=True)
    session.run(BIN / "python", "-m", "pytest", "tests/oidc", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """A disk that fails in every way: `-- --full` for the full sizes, `--seed N` for the luck of an earlier run."""
    arguments = list(session.posargs)
    environment = {"FAULTS_FULL": "1"} if "--full" in arguments else {}
    if "--seed" in arguments:
        at = arguments.index("--seed")
        environment["FAULTS_SEED"] = arguments[at + 1]
        del arguments[at : at + 2]
    rest = [each for each in arguments if each != "--full"]
    session.run(BIN / "python", "-m", "pytest", "tests/faults", *rest, env=environment)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed and memory of a whole mesh against the machine itself; `-- --size 64` for a short run, `-- --help`."""
    session.run(BIN / "python", "-m", "tests.bench", *session.posargs)


@nox.session
def pin(session: nox.Session) -> None:
    """Pin what pyproject.toml asks for, with hashes; today's versions stay where they fit (`-- --upgrade` renews)."""
    compile_with_hashes(session, "requirements.txt", "--extra=editable")
    compile_with_hashes(
        session, "requirements-dev.txt", "--extra=editable", "--extra=dev", "--constraints=requirements.txt"
    )


def compile_with_hashes(session: nox.Session, output: str, *options: str) -> None:
    """Write `output`: for every Python from 3.11 on, naming neither an index nor a path of this machine."""
    whole = ("--universal", "--python-version=3.11", "--generate-hashes")
    quiet = ("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    uv = BIN / "uv"
    session.run(uv, "pip", "compile", *whole, *quiet, *options, *session.posargs, "-o", output, "pyproject.toml")
