"""The use cases that look after an element's files, on a store without its process."""

from __future__ import annotations

from datetime import timedelta

from services.model.clock import Clock
from services.model.elements import Mode
from services.model.ids import FileId, Subject
from services.model.maintenance import Issue, QuarantineItem, ReconcileReport
from services.model.paging import PageRequest
from services.storage.domain.modes import ModeState
from services.storage.ports import Pace
from services.storage.store.element import Element
from services.storage.usecases.download_file import DownloadFile
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.quarantine import ListQuarantine, RestoreQuarantined
from services.storage.usecases.reconcile import Reconcile
from services.storage.usecases.scrub import Scrub
from services.storage.usecases.verify_file import VerifyFile, at_once

BY = Subject("somebody")


class Keeper:
    """All of them."""

    def __init__(
        self, element: Element, clock: Clock, *, mode: Mode = Mode.EDIT, pace: Pace = at_once,
        period: timedelta = timedelta(days=7),
    ) -> None:  # fmt: skip
        self.element, self.clock = element, clock
        self.finishing = Finishing()
        self.gate = ModeGate(ModeState(mode, 1, clock.now(), BY))
        self.suspects: list[FileId] = []
        gate, files, keeping = self.gate, element.files, element.keeping
        self.verify = VerifyFile(
            gate=gate, files=files, inspection=element.inspection, keeping=keeping, scrubbing=element.scrubbing,
            clock=clock, finishing=self.finishing,
        )  # fmt: skip
        self.scrub = Scrub(
            gate=gate, files=files, scrubbing=element.scrubbing, verify=self.verify, clock=clock, period=period,
            pace=pace,
        )  # fmt: skip
        self.reconciliation = Reconcile(
            gate=gate, files=files, inspection=element.inspection, keeping=keeping, verify=self.verify, clock=clock,
            pace=pace, finishing=self.finishing,
        )  # fmt: skip
        self.list_quarantine = ListQuarantine(gate=gate, keeping=keeping)
        self.restore = RestoreQuarantined(gate=gate, keeping=keeping, clock=clock, finishing=self.finishing)
        self.download = DownloadFile(gate=gate, files=files, clock=clock, suspect=self.suspects.append)

    async def reconcile(self, *, thorough: bool = True) -> ReconcileReport:
        return await self.reconciliation(self.reconciliation.begin(thorough=thorough))

    async def quarantine(self) -> list[QuarantineItem]:
        return list((await self.list_quarantine(PageRequest())).items)


def found(report: ReconcileReport) -> dict[Issue, int]:
    """What was found at all."""
    return {issue: count for issue, count in report.counts.items() if count}
