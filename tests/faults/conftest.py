from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.size import FULL, SEED


def pytest_report_header() -> str:
    return f"faults: FAULTS_SEED={SEED}, {'full' if FULL else 'short'} size"


@pytest.fixture(autouse=True)
def said_seed() -> None:
    """What a failure shows, so that it can be repeated."""
    print(f"FAULTS_SEED={SEED}")  # noqa: T201 - captured; pytest shows it with the failure


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such a place: hundreds of elements are made in it and thrown away."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)
