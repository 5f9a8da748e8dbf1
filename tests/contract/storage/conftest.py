from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.storage.ports import Files
from tests.doubles.storage_files import MemoryFiles
from tests.support.storage_store import opened


@pytest.fixture(params=["memory", "disk"])
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Files]:
    """The files of an empty element."""
    if request.param == "memory":
        yield MemoryFiles()
    else:
        async with opened(tmp_path) as element:
            yield element.files
