"""What every store of elements promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.elements import ElementRecord, Health
from services.admin.domain.listing import ElementFilter, Position
from services.admin.domain.registry import Entry
from services.admin.ports import ElementStore, FileRegistry
from services.model.elements import ElementStatus, Mode
from services.model.errors import Conflict
from services.model.files import RetentionPolicy
from services.model.ids import ElementId, ElementUuid
from tests.support.admin_things import NOW, file, record


def another_id(one: ElementRecord) -> ElementRecord:
    """The same element, registered a second time: every registration proposes an id of its own."""
    return replace(one, element_id=ElementId(str(uuid.uuid4())))


async def test_a_new_element_comes_back_as_it_was_registered(elements: ElementStore) -> None:
    one = record("se-rw-01", available_bytes=2**62, mode_revision=2**40)
    assert await elements.register(one, name=None) == (one, True)
    assert await elements.get(one.element_id) == one
    assert await elements.all() == [one]


async def test_an_unknown_element_is_not_found(elements: ElementStore) -> None:
    assert await elements.get(ElementId(str(uuid.uuid4()))) is None
    assert await elements.all() == []


async def test_an_element_that_is_registered_again_is_moved(elements: ElementStore) -> None:
    one = record("se-rw-01", name="Archive")
    await elements.register(one, name="Archive")
    later = NOW + timedelta(hours=1)
    again = replace(
        another_id(record("se-rw-01", endpoint="elsewhere:1", used_bytes=5)),
        created_at=later, last_seen_at=later, health=Health(ElementStatus.ONLINE, later),
    )  # fmt: skip
    moved, created = await elements.register(again, name=None)
    assert not created
    assert moved == replace(
        again, element_id=one.element_id, created_at=NOW, name="Archive", health=Health(ElementStatus.ONLINE, NOW)
    )
    assert await elements.all() == [moved]


async def test_a_moved_element_takes_a_new_name_only_if_one_is_given(elements: ElementStore) -> None:
    await elements.register(record("se-rw-01"), name=None)
    moved, _ = await elements.register(another_id(record("se-rw-01")), name="Cellar")
    assert moved.name == "Cellar"


async def test_a_moved_element_that_was_offline_is_online_since_now(elements: ElementStore) -> None:
    await elements.register(record("se-rw-01", ElementStatus.OFFLINE, "it cannot be reached"), name=None)
    later = Health(ElementStatus.ONLINE, NOW + timedelta(hours=1))
    moved, _ = await elements.register(replace(another_id(record("se-rw-01")), health=later), name=None)
    assert moved.health == later


async def test_a_storage_id_of_another_directory_is_refused(elements: ElementStore) -> None:
    one = record("se-rw-01")
    await elements.register(one, name=None)
    usurper = another_id(record("se-rw-01", element_uuid=ElementUuid(str(uuid.uuid4()))))
    with pytest.raises(Conflict):
        await elements.register(usurper, name=None)
    assert await elements.all() == [one]


async def test_a_directory_under_another_storage_id_is_refused(elements: ElementStore) -> None:
    one = record("se-rw-01")
    await elements.register(one, name=None)
    with pytest.raises(Conflict):
        await elements.register(record("se-rw-02", element_uuid=one.info.element_uuid), name=None)
    assert await elements.all() == [one]


async def test_many_registrations_of_one_element_at_once_make_one_row(elements: ElementStore) -> None:
    made = await asyncio.gather(*(elements.register(another_id(record()), name=None) for _ in range(8)))
    assert sum(created for _, created in made) == 1
    assert len({kept.element_id for kept, _ in made}) == 1


async def test_what_was_observed_is_kept(elements: ElementStore) -> None:
    one = record("se-rw-01")
    await elements.register(one, name=None)
    later = NOW + timedelta(seconds=5)
    seen = replace(
        record("se-rw-01", mode=Mode.RO, used_bytes=1, files={}, writable=False, version="0.2.0"),
        health=Health(ElementStatus.DEGRADED, later, "it does not accept writes"), last_seen_at=later,
    )  # fmt: skip
    assert await elements.observe(seen)
    assert await elements.get(one.element_id) == seen


async def test_what_was_observed_at_an_endpoint_it_has_left_is_not_kept(elements: ElementStore) -> None:
    one = record("se-rw-01")
    await elements.register(one, name=None)
    moved, _ = await elements.register(another_id(record("se-rw-01", endpoint="elsewhere:1")), name=None)
    assert not await elements.observe(replace(one, health=Health(ElementStatus.OFFLINE, NOW, "gone")))
    assert await elements.get(one.element_id) == moved


async def test_what_was_observed_of_an_unknown_element_is_not_kept(elements: ElementStore) -> None:
    assert not await elements.observe(record("se-rw-01"))
    assert await elements.all() == []


NAMES = ["b", "B", "a", "ё", "е", "Z", "a", "10", "9"]


@pytest.fixture
async def named(elements: ElementStore) -> list[ElementRecord]:
    """Elements in the order of a listing: by code point, the id between equals."""
    made = [record(f"se-{number}", name=name) for number, name in enumerate(NAMES)]
    for each in made:
        await elements.register(each, name=each.name)
    return sorted(made, key=lambda each: (each.name, each.element_id))


async def test_pages_follow_each_other_without_gap(elements: ElementStore, named: list[ElementRecord]) -> None:
    found: list[ElementRecord] = []
    after: Position | None = None
    while len(found) < len(named):
        page, total = await elements.page(ElementFilter(), limit=2, after=after)
        assert total == len(named)
        found += page
        after = Position(found[-1].name, found[-1].element_id)
    assert found == named
    assert await elements.page(ElementFilter(), limit=2, after=after) == ([], len(named))


async def test_a_page_may_begin_at_an_offset(elements: ElementStore, named: list[ElementRecord]) -> None:
    assert await elements.page(ElementFilter(), limit=3, offset=4) == (named[4:7], len(named))
    assert await elements.page(ElementFilter(), limit=3, offset=99) == ([], len(named))


async def test_a_page_shows_only_what_is_wanted(elements: ElementStore) -> None:
    edit = record("se-edit-01", mode=Mode.EDIT)
    online = record("se-rw-01")
    offline = record("se-rw-02", ElementStatus.OFFLINE, "it cannot be reached")
    for each in (edit, online, offline):
        await elements.register(each, name=None)
    assert await elements.page(ElementFilter(mode=Mode.RW), limit=9) == ([online, offline], 2)
    assert await elements.page(ElementFilter(status=ElementStatus.ONLINE), limit=9) == ([edit, online], 2)
    assert await elements.page(ElementFilter(Mode.RW, ElementStatus.OFFLINE), limit=1) == ([offline], 1)
    assert await elements.page(ElementFilter(Mode.AR), limit=9) == ([], 0)


async def test_a_page_shows_those_that_hold_files_of_a_policy(elements: ElementStore) -> None:
    for mode in Mode:
        await elements.register(record(f"se-{mode}", mode=mode), name=None)

    async def names(wanted: ElementFilter) -> list[str]:
        return [each.name for each in (await elements.page(wanted, limit=9))[0]]

    assert await names(ElementFilter(policy=RetentionPolicy.TEMPORARY)) == ["se-edit"]
    assert await names(ElementFilter(policy=RetentionPolicy.PERMANENT)) == ["se-ar", "se-ro", "se-rw"]
    assert await names(ElementFilter(Mode.RO, policy=RetentionPolicy.PERMANENT)) == ["se-ro"]
    assert await names(ElementFilter(Mode.RO, policy=RetentionPolicy.TEMPORARY)) == []


async def test_an_element_is_changed_as_a_whole(elements: ElementStore) -> None:
    one = record("se-rw-01")
    assert not await elements.change(one)
    await elements.register(one, name=None)
    changed = replace(record("se-rw-01", endpoint="new:1", used_bytes=3), name="Archive")
    assert await elements.change(changed)
    assert await elements.get(one.element_id) == changed


async def test_an_element_that_has_failed_is_remembered(elements: ElementStore) -> None:
    one = record("se-rw-01")
    assert not await elements.avoid(one.element_id, NOW)
    await elements.register(one, name=None)
    assert await elements.avoid(one.element_id, NOW)
    assert await elements.get(one.element_id) == replace(one, avoid_until=NOW)
    await elements.observe(one)
    assert await elements.get(one.element_id) == replace(one, avoid_until=NOW)


async def test_an_element_is_forgotten_once_the_registry_has_none_of_its_files(
    elements: ElementStore, registry: FileRegistry
) -> None:
    one, other = record("se-rw-01"), record("se-rw-02")
    for each in (one, other):
        await elements.register(each, name=None)
    await registry.record([*(Entry(one.element_id, file()) for _ in range(3)), Entry(other.element_id, file())])
    with pytest.raises(Conflict):
        await elements.remove(one.element_id)
    assert [await registry.forget(one.element_id, limit=2) for _ in range(3)] == [2, 1, 0]
    assert await elements.remove(one.element_id)
    assert not await elements.remove(one.element_id)
    assert await elements.all() == [other]
    with pytest.raises(Conflict):
        await elements.remove(other.element_id)
