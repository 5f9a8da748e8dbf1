"""An element's store without its process: opened on a folder, filled and looked at."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.model.clock import Clock
from services.model.elements import Mode
from services.model.files import FileAttributes
from services.model.ids import StorageId
from services.storage.ports import Files
from services.storage.store.element import Element, open_element
from services.storage.store.fs import FileSystem
from services.storage.store.options import Options
from tests.doubles.clock import FakeClock


def options(folder: Path, **changes: Any) -> Options:
    """An element in `folder`/data, its index beside it."""
    plain = Options(
        storage_id=StorageId("se-1"),
        data_dir=folder / "data",
        index_dir=folder / "index",
        init=True,
        mode=Mode.EDIT,
        min_free_space=0,
        capacity=0,
        wal_segment=16 << 10,
        reserve=4 << 10,
        sync_threads=1,
    )
    return replace(plain, **changes)


@asynccontextmanager
async def opened(
    folder: Path, *, clock: Clock | None = None, fs: FileSystem | None = None, indexed: bool = True, **changes: Any
) -> AsyncIterator[Element]:
    """Open an element; `indexed`: and wait until its index is complete."""
    with open_element(options(folder, **changes), clock=clock or FakeClock(), fs=fs) as element:
        if indexed:
            await element.rebuild()
        yield element


async def store(files: Files, attributes: FileAttributes, data: bytes, *, declared: bool = True) -> FileAttributes:
    """Store `data` under the attributes given, size and digest filled in."""
    async with files.receive(attributes.file_id, len(data) if declared else None) as incoming:
        for start in range(0, len(data), 200_000):
            await incoming.write(data[start : start + 200_000])
        sha256 = await incoming.finish()
        assert sha256 == hashlib.sha256(data).hexdigest()
        return await incoming.commit(replace(attributes, size=len(data), sha256=sha256))


async def content_of(files: Files, attributes: FileAttributes) -> bytes:
    """The bytes that are served for a file."""
    document = await files.find(attributes.file_id)
    async with files.content(document, None, hashed=True) as content:
        data = b""
        while chunk := await content.read():
            data += chunk
        assert content.sha256 == document.attributes.sha256
        return data


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path from there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
