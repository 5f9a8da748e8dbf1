"""Operations of a real Admin: syncs of elements that the test plays, and what survives the death of a process."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from artstore.admin.v1 import operations_pb2, operations_pb2_grpc

from clients import metadata
from services.model.elements import Element, ElementStatus
from services.model.errors import Conflict, ErrorCode, Forbidden, NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.operations import Operation, OperationFilter, OperationId, OperationKind, OperationState
from services.model.paging import PageRequest
from services.storage.domain.documents import Document, encode
from tests.service.admin.ground import Admin, PlayedElement
from tests.support.admin_things import NOW, file

PATIENCE = timedelta(seconds=30)
NOBODY = OperationId("0198c0de-0000-4000-8000-000000000000")


def some(count: int) -> dict[FileId, FileAttributes]:
    files = [file(uploaded_at=NOW + timedelta(seconds=number)) for number in range(count)]
    return {each.file_id: each for each in files}


async def registered(admin: Admin, element: PlayedElement) -> Element:
    """The element, once the sync that its registration began is over."""
    user = await admin.user()
    made, _ = await admin.as_("gateway").register_element(element.endpoint, on_behalf_of=user)
    await over(admin, made)
    return made


async def over(admin: Admin, element: Element, *, patience: timedelta = PATIENCE) -> Operation:
    """The last operation on an element, once it has ended."""
    client, user = admin.operations(), await admin.user()
    async with asyncio.timeout(patience.total_seconds()):
        while True:
            page = await client.list_operations(
                OperationFilter(element_id=element.element_id), PageRequest(limit=1), on_behalf_of=user
            )
            if page.items and page.items[0].ended:
                return page.items[0]
            await asyncio.sleep(0.05)


async def test_what_an_element_holds_is_in_the_registry_soon_after_its_registration(
    admin: Admin, element: PlayedElement
) -> None:
    element.says.files, element.says.page_size = some(7), 3
    made = await registered(admin, element)
    operation = await over(admin, made)
    assert (operation.kind, operation.state, operation.created_by) == (
        OperationKind.SYNC, OperationState.SUCCEEDED, "artstore-admin",
    )  # fmt: skip
    assert operation.result is not None
    assert (operation.result["listed"], operation.result["added"]) == (7, 7)
    user = await admin.user()
    for one in element.says.files.values():
        assert await admin.as_("ingester").locate_file(one.file_id, on_behalf_of=user) == (made.address, one)
    seen = await admin.as_("gateway").get_element(made.element_id, on_behalf_of=user)
    assert seen.last_sync_at is not None


async def test_a_sync_is_started_watched_and_found_again(admin: Admin, element: PlayedElement) -> None:
    made = await registered(admin, element)
    element.says.files = some(3)
    client, user = admin.operations(), await admin.user()
    operation, created = await client.sync_element(made.element_id, wait=PATIENCE, on_behalf_of=user)
    assert (created, operation.state) == (True, OperationState.SUCCEEDED)
    assert await client.get_operation(operation.id, on_behalf_of=user) == operation
    stub = operations_pb2_grpc.OperationWatchServiceStub(admin.channel("gateway"))
    request = operations_pb2.WatchOperationRequest(operation_id=operation.id)
    states = [
        each.operation.state async for each in stub.WatchOperation(request, metadata=metadata.bearer(user), timeout=20)
    ]
    assert states == [operations_pb2.OPERATION_STATE_SUCCEEDED]
    with pytest.raises(NotFound):
        await client.get_operation(NOBODY, on_behalf_of=user)
    with pytest.raises(Conflict, match="it succeeded"):
        await client.cancel_operation(operation.id, on_behalf_of=user)
    with pytest.raises(Forbidden, match="storage:write"):
        await client.sync_element(made.element_id, on_behalf_of=await admin.user("storage:read"))


async def test_a_second_start_answers_with_the_running_one_and_it_can_be_cancelled(
    admin: Admin, element: PlayedElement
) -> None:
    made = await registered(admin, element)
    element.says.files, element.says.hangs_at_page = some(1), element.says.pages + 1
    client, user = admin.operations(), await admin.user()
    first, created = await client.sync_element(made.element_id, on_behalf_of=user)
    second, again = await client.sync_element(made.element_id, on_behalf_of=user)
    assert (created, again, first.id == second.id) == (True, False, True)
    with pytest.raises(Conflict):
        await client.sync_element(made.element_id, force=True, on_behalf_of=user)
    await element.says.hanging.wait()
    cancelled = await client.cancel_operation(first.id, on_behalf_of=user)
    assert cancelled.state is OperationState.CANCELLED
    only = OperationFilter(state=OperationState.CANCELLED, element_id=made.element_id)
    assert list((await client.list_operations(only, PageRequest(), on_behalf_of=user)).items) == [cancelled]


async def test_a_file_that_has_gone_is_missing_and_too_many_need_force(admin: Admin, element: PlayedElement) -> None:
    element.says.files = files = some(8)
    made = await registered(admin, element)
    client, user = admin.operations(), await admin.user()
    gone = next(iter(files))
    element.says.files = {key: one for key, one in files.items() if key != gone}
    operation, _ = await client.sync_element(made.element_id, wait=PATIENCE, on_behalf_of=user)
    assert operation.result is not None
    assert operation.result["missing"] == 1
    assert (await admin.as_("ingester").locate_file(gone, on_behalf_of=user))[1].status is FileStatus.MISSING
    element.says.files = {}
    operation, _ = await client.sync_element(made.element_id, wait=PATIENCE, on_behalf_of=user)
    assert operation.failure is not None
    assert operation.failure.code is ErrorCode.CONFIRMATION_REQUIRED
    shown = await admin.as_("gateway").get_element(made.element_id, on_behalf_of=user)
    assert shown.status is ElementStatus.DEGRADED
    assert "sync with force" in shown.status_reason
    operation, _ = await client.sync_element(made.element_id, force=True, wait=PATIENCE, on_behalf_of=user)
    assert operation.result is not None
    assert operation.result["missing"] == 7
    shown = await admin.as_("gateway").get_element(made.element_id, on_behalf_of=user)
    assert shown.status is ElementStatus.ONLINE


async def test_documents_that_are_none_are_refused_and_nothing_is_written(admin: Admin, element: PlayedElement) -> None:
    good = next(iter(some(1).values()))
    text = encode(Document(good, "stored.pdf"))
    element.says.documents = [text, text[:-100]]
    made = await registered(admin, element)
    operation = await over(admin, made)
    assert operation.failure is not None
    assert operation.failure.code is ErrorCode.INTERNAL_ERROR
    assert "an answer that cannot be understood" in operation.failure.message
    client, user = admin.operations(), await admin.user()
    with pytest.raises(NotFound):
        await admin.as_("ingester").locate_file(good.file_id, on_behalf_of=user)
    element.says.documents = [text, encode(Document(file(sha256="short", uploaded_at=NOW + timedelta(1)), "x"))]
    operation, _ = await client.sync_element(made.element_id, wait=PATIENCE, on_behalf_of=user)
    assert operation.result is not None
    assert (operation.result["added"], operation.result["unfit"]) == (1, 1)
    assert await admin.as_("ingester").locate_file(good.file_id, on_behalf_of=user) == (made.address, good)


@pytest.mark.timeout(240)
async def test_an_element_that_hangs_delays_no_other(admin: Admin, element: PlayedElement, running: Admin) -> None:
    other = PlayedElement(running.certificates, "se-rw-02")
    await other.peer.start()
    try:
        hanging, well = await registered(admin, element), await registered(admin, other)
        element.says.hangs_at_page = element.says.pages + 1
        client, user = admin.operations(), await admin.user()
        stuck, _ = await client.sync_element(hanging.element_id, on_behalf_of=user)
        await element.says.hanging.wait()
        done, _ = await client.sync_element(well.element_id, wait=PATIENCE, on_behalf_of=user)
        assert done.state is OperationState.SUCCEEDED
        failed = await over(admin, hanging, patience=3 * PATIENCE)  # a page may take a slow disk a minute
        assert failed.id == stuck.id
        assert failed.failure is not None
        assert failed.failure.code is ErrorCode.STORAGE_UNAVAILABLE
    finally:
        await other.peer.stop()


async def test_a_sync_whose_admin_is_killed_is_finished_by_the_next_one(own: Admin) -> None:
    element = PlayedElement(own.certificates, "se-rw-01")
    element.says.files, element.says.page_size, element.says.hangs_at_page = some(9), 2, 3
    await element.peer.start()
    try:
        user = await own.user()
        made, _ = await own.as_("gateway").register_element(element.endpoint, on_behalf_of=user)
        await element.says.hanging.wait()
        own.process.kill()
        await own.start()
        operation = await over(own.seen_anew(), made)
        assert operation.state is OperationState.SUCCEEDED
        assert operation.result is not None
        assert operation.result["listed"] == 9
        for one in element.says.files.values():
            await own.as_("ingester").locate_file(one.file_id, on_behalf_of=await own.user())
        assert "an interrupted operation goes on" in own.process.log
    finally:
        await element.peer.stop()


async def test_of_two_replicas_one_does_it_and_the_other_takes_over(own: Admin) -> None:
    element = PlayedElement(own.certificates, "se-rw-01")
    element.says.files, element.says.hangs_at_page = some(2), 1
    await element.peer.start()
    other = own.replica()
    await other.start()
    try:
        made, _ = await own.as_("gateway").register_element(element.endpoint, on_behalf_of=await own.user())
        await element.says.hanging.wait()
        pages = element.says.pages
        await asyncio.sleep(2.5)  # the other one looks every second: it must leave what is being done
        assert element.says.pages == pages
        own.process.kill()
        assert (await over(other, made)).state is OperationState.SUCCEEDED
    finally:
        await other.close()
        await element.peer.stop()
