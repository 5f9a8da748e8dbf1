"""What users and operators see of an element, and what of it may be seen after a fault."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from services.model.errors import FileDeleted, FileExpired, NotFound
from services.model.files import FileStatus
from services.model.ids import FileId, UploadId
from services.model.paging import PageRequest
from services.storage.domain.resumable import decode
from services.storage.store.durable import read_file
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem, Kind
from services.storage.store.modefile import read_mode
from tests.faults.grounds import Ground
from tests.faults.house import IDS, NEW, RESUMED_ID, House
from tests.faults.operations import Operation, Step, attempt

World = dict[str, object]
"""Each file by its id; `upload`: how far the one that comes by parts is; `bytes`: digests of all content that is kept,
in the quarantine too; `mode`; `gc`: when garbage was last collected."""

ABSENT = "there never was one"
SET_ASIDE = "its bytes are not served"
A_FILE = "it is a file"
CONTENT_AT_MOST = 1 << 20


async def look(element: Element) -> World:
    """All of it. Raises what a damaged file raises: none may ever be seen."""
    parts = element._parts
    if element.files.writable and parts.index.complete:
        await _check_index(element)
    seen: World = {file_id: await _fate(element, file_id) for file_id in IDS}
    seen["upload"] = A_FILE if isinstance(seen[RESUMED_ID], tuple) else _upload(element)
    seen["bytes"] = {*_digests(parts.fs, parts.layout.files), *_digests(parts.fs, parts.layout.quarantine)}
    mode = read_mode(parts.fs, parts.layout)
    seen["mode"] = mode and (mode.mode, mode.revision, mode.changed_by)
    seen["gc"] = await element.collections.last() if parts.charge.leading else None
    if parts.index.complete:
        listed = {each.file_id: each for each in (await element.files.page(None, PageRequest())).items}
        assert listed == {key: each[0] for key in IDS if isinstance(each := seen[key], tuple)}, "the listing is true"
    return seen


async def _fate(element: Element, file_id: FileId) -> object:
    try:
        document = await element.files.find(file_id)
    except NotFound:
        return ABSENT
    except (FileDeleted, FileExpired) as error:
        return f"destroyed: {error.code}"
    file = document.attributes
    if file.status in (FileStatus.DAMAGED, FileStatus.MISSING):
        return file, SET_ASIDE
    async with element.files.content(document, None, hashed=True) as content:
        while await content.read():
            pass
        return file, content.sha256 == file.sha256 or "wrong bytes"


def _upload(element: Element) -> object:
    """Bytes that were acknowledged, which are there; None: it was never begun."""
    parts, upload_id = element._parts, UploadId(RESUMED_ID)
    try:
        record = read_file(parts.fs, parts.layout.uploads / f"{upload_id}.json", CONTENT_AT_MOST)
    except FileNotFoundError:
        return None
    offset = decode(record).offset
    part = read_file(parts.fs, parts.layout.uploads / f"{upload_id}.part", CONTENT_AT_MOST) if offset else b""
    assert part[:offset] == NEW[:offset], "what was acknowledged is there"
    if element.files.writable:
        assert element.uploads.get(upload_id).offset == offset
    return offset


def _digests(fs: FileSystem, folder: Path) -> Iterator[str]:
    """Of every content below it."""
    for each in fs.entries(folder):
        if each.kind is Kind.FOLDER:
            yield from _digests(fs, folder / each.name)
        elif not each.name.endswith(".json"):
            yield hashlib.sha256(read_file(fs, folder / each.name, CONTENT_AT_MOST)).hexdigest()


async def _check_index(element: Element) -> None:
    """Before anybody looks at the files themselves, which would correct it."""
    for file_id in IDS:
        row = element._parts.index.get(file_id)
        try:
            revision = (await element.files.find(file_id)).attributes.revision
        except (NotFound, FileDeleted, FileExpired):
            revision = None
        assert (row and row.revision) == revision, f"the index knows {file_id} as it is on the disk"


async def look_after_start(ground: Ground, *, twice: bool = True) -> World:
    """Start on what a fault left and look; `twice`: and start again without an index: nothing may differ."""
    async with ground.open() as (element, _):
        seen = await look(element)
    assert not ground.alone(), "no leftovers, and nothing by halves"
    if not twice:
        return seen
    kept = ground.kept()
    again = ground.copy(index=ground.folder / "none")
    async with again.open() as (element, _):
        assert await look(element) == seen, "a second start, without the index, sees the same"
    assert again.kept() == kept, "recovery run twice changes nothing"
    again.remove()
    return seen


async def stages(ground: Ground, operation: Operation) -> list[World]:
    """The world before the operation and after each of its steps (before and after all: of those together)."""
    seen: list[World] = []
    if not operation.steps:
        async with (before := ground.copy()).open() as (element, _):
            seen = [await look(element)]
        before.remove()
    copy = ground.copy()
    async with copy.open(**operation.opening) as (element, clock):
        seen.append(await look(element))
        house = House(element, clock)
        if operation.together:
            await attempt(operation, house, set())
            seen.append(await look(element))
        for step in () if operation.together else operation.steps:
            await step.act(house)
            seen.append(await look(element))
    copy.remove()
    return seen


def allowed(operation: Operation, worlds: list[World], answered: Iterable[Step]) -> dict[str, list[object]]:
    """What each part of the world may be after a fault, if those steps were answered."""
    answered = set(answered)
    if operation.together:
        before, after = worlds
        done = {key for step in answered for key in step.keys}
        return {key: [after[key]] if key in done else [before[key], after[key]] for key in before}
    near = worlds[len(answered) : len(answered) + 2]
    return {key: [world[key] for world in near] for key in worlds[0]}


def check(operation: Operation, worlds: list[World], answered: Iterable[Step], seen: World) -> None:
    """Every file is as before or as after, and as after if that was answered."""
    may = allowed(operation, worlds, answered)
    for key, value in seen.items():
        assert value in may[key], f"{key} after {operation}: {str(value)[:300]}"
