"""What every store of feeds promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.admin.domain.elements import ElementRecord
from services.admin.domain.feed import Step
from services.admin.domain.registry import Entry
from services.admin.ports import ElementStore, FeedStore, FileRegistry
from services.model.elements import Mode
from services.model.errors import Conflict
from services.model.feed import FeedPosition, ModeChange
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, Subject
from tests.support.admin_things import NOW, file, record

ONE, TWO = "feed-1", "feed-2"


@pytest.fixture
async def element(elements: ElementStore, feeds: FeedStore) -> ElementRecord:
    """An element whose feed is followed from number 5."""
    made, _ = await elements.register(record("se-rw-01"), name=None)
    await feeds.begin(made.element_id, FeedPosition(ONE, 5))
    return made


async def row(registry: FileRegistry, file_id: FileId) -> FileAttributes | None:
    located = await registry.find(file_id)
    return located.file if located else None


async def test_a_feed_is_followed_from_where_it_was_begun_until_it_is_forgotten(
    feeds: FeedStore, element: ElementRecord
) -> None:
    assert await feeds.position(element.element_id) == FeedPosition(ONE, 5)
    await feeds.begin(element.element_id, FeedPosition(ONE, 3))
    assert await feeds.position(element.element_id) == FeedPosition(ONE, 5)
    await feeds.begin(element.element_id, FeedPosition(TWO, 3))
    assert await feeds.position(element.element_id) == FeedPosition(TWO, 3)
    await feeds.forget(element.element_id)
    assert await feeds.position(element.element_id) is None
    await feeds.begin(record("se-unknown").element_id, FeedPosition(ONE, 1))
    assert await feeds.position(record("se-unknown").element_id) is None


async def test_rows_and_position_go_on_together(
    feeds: FeedStore, registry: FileRegistry, element: ElementRecord
) -> None:
    one, other = file(), file()
    step = Step(FeedPosition(ONE, 7), [Entry(element.element_id, each) for each in (one, other)])
    assert await feeds.apply(element.element_id, step) == 2
    assert await feeds.apply(element.element_id, step) == 0
    assert await row(registry, one.file_id) == one
    assert await feeds.position(element.element_id) == FeedPosition(ONE, 7)
    changed = replace(one, revision=2, description="new")
    entries = [Entry(element.element_id, each) for each in (one, changed)]
    assert await feeds.apply(element.element_id, Step(FeedPosition(ONE, 9), entries)) == 1
    assert await row(registry, one.file_id) == changed
    await feeds.apply(element.element_id, step)
    assert await row(registry, one.file_id) == changed
    assert await feeds.position(element.element_id) == FeedPosition(ONE, 9)


async def test_a_file_that_was_destroyed_has_ended(
    feeds: FeedStore, registry: FileRegistry, elements: ElementStore, element: ElementRecord
) -> None:
    other, _ = await elements.register(record("se-rw-02"), name=None)
    one, elsewhere = file(), file()
    await registry.bring([Entry(element.element_id, one), Entry(other.element_id, elsewhere)])
    ended = {one.file_id: FileStatus.DELETED, elsewhere.file_id: FileStatus.DELETED, file().file_id: FileStatus.EXPIRED}
    assert await feeds.apply(element.element_id, Step(FeedPosition(ONE, 6), ended=ended)) == 1
    assert await feeds.apply(element.element_id, Step(FeedPosition(ONE, 6), ended=ended)) == 0
    assert await row(registry, one.file_id) == replace(one, status=FileStatus.DELETED, revision=2)
    assert await row(registry, elsewhere.file_id) == elsewhere


async def test_a_later_mode_is_taken_and_no_earlier_one(
    feeds: FeedStore, elements: ElementStore, element: ElementRecord
) -> None:
    for mode, revision, expected in ((Mode.RO, 4, Mode.RO), (Mode.RW, 3, Mode.RO), (Mode.AR, 5, Mode.AR)):
        change = ModeChange(mode, revision, NOW, Subject("root"))
        await feeds.apply(element.element_id, Step(FeedPosition(ONE, 6), mode=change))
        seen = await elements.get(element.element_id)
        assert seen is not None
        assert seen.info.mode is expected


async def test_what_another_feed_says_is_refused_as_a_whole(
    feeds: FeedStore, registry: FileRegistry, element: ElementRecord
) -> None:
    one = file()
    step = Step(FeedPosition(TWO, 9), [Entry(element.element_id, one)])
    with pytest.raises(Conflict):
        await feeds.apply(element.element_id, step)
    assert await row(registry, one.file_id) is None
    await feeds.forget(element.element_id)
    with pytest.raises(Conflict):
        await feeds.apply(element.element_id, replace(step, position=FeedPosition(ONE, 9)))
