"""Registering, watching and choosing elements, over real certificates."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.model.elements import Element, ElementAddress, ElementStatus, Mode
from services.model.errors import (
    ArtStoreError,
    Conflict,
    FileTooLarge,
    Forbidden,
    InternalError,
    NoElementAvailable,
    NotFound,
    StorageFull,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import RetentionPolicy
from services.model.ids import ElementId, ElementUuid, StorageId
from services.model.paging import PageRequest
from tests.service.admin.ground import Admin, PlayedElement
from tests.support.admin_things import GIB, file
from tests.support.certificates import Certificates
from tests.support.processes import free_port

OTHER_UUID = ElementUuid(str(uuid.uuid4()))
PATIENCE = 15.0
"""Seconds within which a heartbeat must have shown; the interval is a fifth of one."""

Play = Callable[..., Awaitable[PlayedElement]]


@pytest.fixture
async def play(running: Admin) -> AsyncIterator[Play]:
    """Plays further elements: storage id, what it says, the certificate of another one."""
    played: list[PlayedElement] = []

    async def start(storage_id: str, *, certificate: str = "", **said: Any) -> PlayedElement:
        element = PlayedElement(running.certificates, certificate or storage_id, **said)
        element.says.info = replace(element.says.info, storage_id=StorageId(storage_id))
        played.append(element)
        await element.peer.start()
        return element

    yield start
    for element in played:
        await element.peer.stop()


async def register(admin: Admin, element: PlayedElement, name: str = "") -> Element:
    user = await admin.user()
    registered, _ = await admin.as_("gateway").register_element(element.endpoint, name, on_behalf_of=user)
    return registered


async def listed(admin: Admin, storage_id: str) -> Element:
    page = await admin.as_("gateway").list_elements(PageRequest(), on_behalf_of=await admin.user())
    return next(element for element in page.items if element.storage_id == storage_id)


async def becomes(admin: Admin, storage_id: str, status: ElementStatus) -> Element:
    """The element, once a heartbeat has shown it in that status."""
    async with asyncio.timeout(PATIENCE):
        while (element := await listed(admin, storage_id)).status is not status:  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.05)
    return element


async def chosen(admin: Admin, policy: RetentionPolicy, size: int | None = 1) -> list[ElementAddress]:
    client = admin.as_("ingester")
    return list(await client.select_element(policy, size, on_behalf_of=await admin.user("files:write")))


async def test_an_element_is_registered_under_what_it_says_it_is(admin: Admin, element: PlayedElement) -> None:
    client, user = admin.as_("gateway"), await admin.user()
    registered, created = await client.register_element(element.endpoint, "Archive", on_behalf_of=user)
    assert created
    said = element.says.info
    assert (registered.name, registered.storage_id, registered.element_uuid) == (
        "Archive",
        said.storage_id,
        said.element_uuid,
    )
    assert (registered.mode, registered.status, registered.files) == (Mode.RW, ElementStatus.ONLINE, 9)
    got, row = await client.get_element(registered.element_id, on_behalf_of=user), await listed(admin, "se-rw-01")
    # A heartbeat may have come in between, and the first sync.
    assert replace(got, last_seen_at=row.last_seen_at, last_sync_at=row.last_sync_at) == row
    again, created = await client.register_element(element.endpoint, "", on_behalf_of=user)
    assert (again.element_id, again.name, created) == (registered.element_id, "Archive", False)


async def test_the_element_sees_admin_and_no_token(admin: Admin, element: PlayedElement) -> None:
    await register(admin, element)
    assert {caller.module for caller in element.says.callers} == {"admin"}
    for caller in element.says.callers:
        assert caller.user.token is None
        assert caller.user.scopes == {"storage:read", "files:read"}


async def test_an_element_that_has_moved_is_found_again(admin: Admin, element: PlayedElement, play: Play) -> None:
    first = await register(admin, element)
    await element.peer.stop()
    await becomes(admin, "se-rw-01", ElementStatus.OFFLINE)
    elsewhere = await play("se-rw-01")
    moved = await register(admin, elsewhere)
    assert (moved.element_id, moved.endpoint) == (first.element_id, elsewhere.endpoint)
    assert moved.status is ElementStatus.ONLINE
    assert await chosen(admin, RetentionPolicy.PERMANENT) == [moved.address]


async def test_another_directory_under_a_known_storage_id_is_a_conflict(
    admin: Admin, element: PlayedElement, play: Play
) -> None:
    await register(admin, element)
    usurper = await play("se-rw-01", element_uuid=OTHER_UUID)
    with pytest.raises(Conflict, match="se-rw-01 belongs to another directory"):
        await register(admin, usurper)
    assert (await listed(admin, "se-rw-01")).endpoint == element.endpoint


async def test_an_element_with_the_certificate_of_another_is_not_registered(admin: Admin, play: Play) -> None:
    impostor = await play("se-rw-01", certificate="se-rw-02")
    with pytest.raises(StorageUnavailable):
        await register(admin, impostor)


async def test_nothing_is_registered_where_no_element_of_ours_answers(admin: Admin, tmp_path: Path) -> None:
    strangers = PlayedElement(Certificates(tmp_path), "se-rw-01")
    await strangers.peer.start()
    client, user = admin.as_("gateway"), await admin.user()
    for endpoint in (f"127.0.0.1:{free_port()}", strangers.endpoint, admin.address, f"127.0.0.1:{admin.ops_port}"):
        with pytest.raises(StorageUnavailable):
            await client.register_element(endpoint, on_behalf_of=user)
    with pytest.raises(ValidationFailed, match="host:port"):
        await client.register_element("nowhere", on_behalf_of=user)
    await strangers.peer.stop()
    assert (await client.list_elements(PageRequest(), on_behalf_of=user)).total == 0


async def test_only_who_may_write_storage_registers(admin: Admin, element: PlayedElement) -> None:
    reader = await admin.user("storage:read")
    with pytest.raises(Forbidden, match="storage:write"):
        await admin.as_("gateway").register_element(element.endpoint, on_behalf_of=reader)


async def test_one_that_goes_is_offline_with_the_reason_and_comes_back(admin: Admin, element: PlayedElement) -> None:
    await register(admin, element)
    await element.peer.stop()
    gone = await becomes(admin, "se-rw-01", ElementStatus.OFFLINE)
    assert gone.status_reason == "it cannot be reached"
    with pytest.raises(NoElementAvailable) as refused:
        await chosen(admin, RetentionPolicy.PERMANENT)
    assert "no element in mode rw is online: se-rw-01 is offline since " in refused.value.message
    assert "127.0.0.1" not in refused.value.message
    await element.peer.start()
    back = await becomes(admin, "se-rw-01", ElementStatus.ONLINE)
    assert back.status_reason == ""
    assert back.status_since > gone.status_since


async def test_one_that_hangs_goes_offline_and_others_are_seen_meanwhile(
    admin: Admin, element: PlayedElement, play: Play
) -> None:
    other = await play("se-edit-01", mode=Mode.EDIT)
    await register(admin, element)
    await register(admin, other)
    element.says.answers.clear()
    await other.peer.stop()
    await becomes(admin, "se-edit-01", ElementStatus.OFFLINE)
    hanging = await becomes(admin, "se-rw-01", ElementStatus.OFFLINE)
    assert hanging.status_reason == "it does not answer in time"
    element.says.answers.set()
    await becomes(admin, "se-rw-01", ElementStatus.ONLINE)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ({"writable": False}, ElementStatus.DEGRADED, "it does not accept writes"),
        (
            {"element_uuid": ElementUuid(str(uuid.uuid4()))},
            ElementStatus.OFFLINE,
            "another element answers in its place",
        ),
        ({"version": "\0"}, ElementStatus.OFFLINE, "it answers what is not understood"),
    ],
)
async def test_one_that_is_not_well_is_not_chosen(
    admin: Admin, element: PlayedElement, said: dict[str, Any], status: ElementStatus, reason: str
) -> None:
    await register(admin, element)
    element.says.info = replace(element.says.info, **said)
    assert (await becomes(admin, "se-rw-01", status)).status_reason == reason
    with pytest.raises(NoElementAvailable, match=f"se-rw-01 is {status}"):
        await chosen(admin, RetentionPolicy.PERMANENT)


async def test_one_that_refuses_is_offline(admin: Admin, element: PlayedElement) -> None:
    await register(admin, element)
    element.says.refuses = InternalError("broken")
    await becomes(admin, "se-rw-01", ElementStatus.OFFLINE)


async def test_the_right_element_is_chosen(admin: Admin, element: PlayedElement, play: Play) -> None:
    emptier = await play("se-rw-02", used_bytes=GIB, available_bytes=5)
    edit = await play("se-edit-01", mode=Mode.EDIT)
    full = await register(admin, element)
    empty, temporary = await register(admin, emptier), await register(admin, edit)
    assert await chosen(admin, RetentionPolicy.PERMANENT) == [empty.address, full.address]
    assert await chosen(admin, RetentionPolicy.PERMANENT, None) == [empty.address, full.address]
    assert await chosen(admin, RetentionPolicy.PERMANENT, 6) == [full.address]
    assert await chosen(admin, RetentionPolicy.TEMPORARY) == [temporary.address]


@pytest.mark.parametrize(
    ("size", "refusal"), [(GIB + 1, FileTooLarge), (GIB, StorageFull)], ids=["too large", "no room"]
)
async def test_what_no_element_takes_is_refused(
    admin: Admin, play: Play, size: int, refusal: type[ArtStoreError]
) -> None:
    await register(admin, await play("se-rw-01", available_bytes=GIB - 1))
    with pytest.raises(refusal):
        await chosen(admin, RetentionPolicy.PERMANENT, size)


async def test_without_any_element_there_is_none_to_choose(admin: Admin) -> None:
    with pytest.raises(NoElementAvailable, match="no element in mode edit is registered"):
        await chosen(admin, RetentionPolicy.TEMPORARY)
    client, user = admin.as_("gateway"), await admin.user()
    with pytest.raises(NotFound):
        await client.get_element(ElementId(str(uuid.uuid4())), on_behalf_of=user)


async def test_a_list_is_filtered_and_paged(admin: Admin, element: PlayedElement, play: Play) -> None:
    for each in (element, await play("se-edit-01", mode=Mode.EDIT), await play("se-ro-01", mode=Mode.RO)):
        await register(admin, each)
    client, user = admin.as_("gateway"), await admin.user("storage:read")
    first = await client.list_elements(PageRequest(limit=2), on_behalf_of=user)
    second = await client.list_elements(PageRequest(limit=2, cursor=first.next_cursor), on_behalf_of=user)
    assert [each.name for each in (*first.items, *second.items)] == ["se-edit-01", "se-ro-01", "se-rw-01"]
    assert (first.total, first.has_more, second.has_more) == (3, True, False)
    only = await client.list_elements(PageRequest(), mode=Mode.RO, on_behalf_of=user)
    assert [each.name for each in only.items] == ["se-ro-01"]
    none = await client.list_elements(PageRequest(), status=ElementStatus.OFFLINE, on_behalf_of=user)
    assert none.total == 0
    with pytest.raises(ValidationFailed, match="cursor"):
        await client.list_elements(PageRequest(cursor="made up"), on_behalf_of=user)


async def test_an_address_is_asked_and_nothing_is_registered(admin: Admin, element: PlayedElement) -> None:
    client, reader = admin.as_("gateway"), await admin.user("storage:read")
    assert await client.discover_element(element.endpoint, on_behalf_of=reader) == (element.says.info, None)
    assert (await client.list_elements(PageRequest(), on_behalf_of=reader)).total == 0
    registered = await register(admin, element)
    assert (await client.discover_element(element.endpoint, on_behalf_of=reader))[1] == registered.element_id
    with pytest.raises(StorageUnavailable):
        await client.discover_element(f"127.0.0.1:{free_port()}", on_behalf_of=reader)


async def test_an_element_is_renamed_and_moved_where_it_answers_itself(
    admin: Admin, element: PlayedElement, play: Play
) -> None:
    registered = await register(admin, element)
    client, user = admin.as_("gateway"), await admin.user()
    usurper = await play("se-rw-01", element_uuid=OTHER_UUID)
    with pytest.raises(Conflict, match="another element answers there"):
        await client.update_element(registered.element_id, endpoint=usurper.endpoint, on_behalf_of=user)
    elsewhere = await play("se-rw-01")
    moved = await client.update_element(
        registered.element_id, name="Cellar", endpoint=elsewhere.endpoint, on_behalf_of=user
    )
    assert (moved.name, moved.endpoint) == ("Cellar", elsewhere.endpoint)
    assert (await listed(admin, "se-rw-01")).endpoint == elsewhere.endpoint
    with pytest.raises(Forbidden, match="storage:write"):
        await client.update_element(registered.element_id, name="x", on_behalf_of=await admin.user("storage:read"))


async def test_an_element_is_removed_with_its_rows_only_by_force(admin: Admin, element: PlayedElement) -> None:
    registered = await register(admin, element)
    one = file()
    await admin.as_("ingester").register_file(registered.element_id, one)
    client, user = admin.as_("gateway"), await admin.user()
    with pytest.raises(Conflict, match="files of this element"):
        await client.remove_element(registered.element_id, on_behalf_of=user)
    assert await client.remove_element(registered.element_id, force=True, on_behalf_of=user) == 1
    with pytest.raises(NotFound):
        await admin.as_("ingester").locate_file(one.file_id, on_behalf_of=user)
    with pytest.raises(NotFound):
        await client.get_element(registered.element_id, on_behalf_of=user)


async def test_an_element_that_failed_the_ingester_is_passed_over(
    admin: Admin, element: PlayedElement, play: Play
) -> None:
    best = await register(admin, await play("se-rw-02", used_bytes=0))
    other = await register(admin, element)
    assert (await chosen(admin, RetentionPolicy.PERMANENT))[0] == best.address
    await admin.as_("ingester").report_failure(best.element_id)
    assert await chosen(admin, RetentionPolicy.PERMANENT) == [other.address]
    with pytest.raises(Forbidden):
        await admin.as_("query").report_failure(best.element_id)
