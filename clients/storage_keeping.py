"""A storage element, as Admin asks it about the state of its files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import grpc
from artstore.storage.v1 import control_pb2, control_pb2_grpc

from clients import metadata, wire
from clients.calls import ask, understood
from services.chassis.caller import Identity
from services.chassis.deadlines import remaining
from services.chassis.faults import translated
from services.model.errors import StorageUnavailable
from services.model.files import FileAttributes
from services.model.ids import FileId, QuarantineId
from services.model.maintenance import (
    QuarantineItem,
    ReconcileProgress,
    ReconcileReport,
    ScrubProgress,
    ScrubReport,
    Verified,
)
from services.model.paging import Page, PageRequest

UNARY: Final = 10.0
READING: Final = 600.0
"""Seconds for a call that reads a whole file, perhaps twice."""


class StorageKeepingClient:
    """Calls about the state of an element's files. `on_behalf_of` is the user behind them.

    Every method raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._control = control_pb2_grpc.StorageControlServiceStub(channel)

    async def verify(self, file_id: FileId, *, on_behalf_of: Identity | None) -> Verified:
        """Have a file read again; what that has shown, and the file as it is then.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged` (its attributes), `ModeNotAllowed`.
        """
        return await ask(
            self._control.VerifyFile,
            control_pb2.VerifyFileRequest(file_id=file_id),
            lambda response: wire.verified_from_proto(response.verification),
            seconds=READING,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )

    async def reconcile(
        self, *, quick: bool = False, on_behalf_of: Identity | None
    ) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        """Reconcile the element, or follow the reconciliation that runs: progress now and then, last the report.

        `quick`: compare sizes, do not read every byte. It goes on when this is left. Raises `StorageUnavailable` also
        when the stream ends without a report.
        """
        with translated(StorageUnavailable):
            call = self._control.Reconcile(
                control_pb2.ReconcileRequest(quick=quick),
                timeout=remaining(None),
                metadata=metadata.on_behalf_of(on_behalf_of),
            )
            try:
                async for response in call:
                    with understood():
                        if response.HasField("report"):
                            yield wire.report_from_proto(response.report)
                            return
                        yield wire.progress_from_proto(response.progress)
            finally:
                call.cancel()
        raise StorageUnavailable("the reconciliation ended without its report")

    async def scrub(self, *, on_behalf_of: Identity | None) -> AsyncGenerator[ScrubProgress | ScrubReport, None]:
        """Have every byte read again, or follow the scrub that runs: progress now and then, last the report.

        It goes on when this is left. Raises `ModeNotAllowed`, `StorageFull`, and `StorageUnavailable` also when the
        stream ends without a report.
        """
        with translated(StorageUnavailable):
            call = self._control.RunScrub(
                control_pb2.RunScrubRequest(), timeout=remaining(None), metadata=metadata.on_behalf_of(on_behalf_of)
            )
            try:
                async for response in call:
                    with understood():
                        if response.HasField("report"):
                            yield wire.scrub_report_from_proto(response.report)
                            return
                        yield wire.scrub_progress_from_proto(response.progress)
            finally:
                call.cancel()
        raise StorageUnavailable("the scrub ended without its report")

    async def quarantine(self, page: PageRequest, *, on_behalf_of: Identity | None) -> Page[QuarantineItem]:
        """A page of what was set aside, oldest first."""
        return await ask(
            self._control.ListQuarantine,
            control_pb2.ListQuarantineRequest(page=wire.page_request_to_proto(page)),
            lambda response: wire.page_from_proto(list(map(wire.item_from_proto, response.items)), response.page),
            seconds=UNARY,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
            repeatable=True,
        )

    async def restore(self, item_id: QuarantineId, *, on_behalf_of: Identity | None) -> FileAttributes:
        """Put something back; the file as it is then.

        Raises `NotFound`, `Conflict` with the reason why it cannot be, `FileDeleted`, `FileExpired`, `ModeNotAllowed`.
        """
        return await ask(
            self._control.RestoreQuarantined,
            control_pb2.RestoreQuarantinedRequest(item_id=item_id),
            lambda response: wire.file_from_proto(response.file),
            seconds=READING,
            metadata=metadata.on_behalf_of(on_behalf_of),
            unavailable=StorageUnavailable,
        )
