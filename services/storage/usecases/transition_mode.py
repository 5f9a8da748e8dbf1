"""Change what the element permits."""

from __future__ import annotations

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import Mode
from services.model.ids import Subject
from services.storage.domain.modes import ModeState, transition
from services.storage.ports import Modes
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate

log = get_logger(__name__)


class TransitionMode:
    """Lead the element from one mode to another, along the table in `domain/modes.py`."""

    def __init__(self, *, gate: ModeGate, modes: Modes, clock: Clock, finishing: Finishing) -> None:
        self._gate, self._modes, self._clock, self._finishing = gate, modes, clock, finishing

    async def __call__(self, target: Mode, *, confirmed: bool, by: Subject) -> ModeState:
        """The new state, durable. When this returns, nothing commits under the old mode any more.

        Raises `InvalidTransition`, `ConfirmationRequired`, `StorageFull`, `StorageUnavailable`.
        """

        def decide(present: ModeState) -> ModeState:
            return transition(present, target, confirmed=confirmed, by=by, at=self._clock.now())

        decide(self._gate.state)  # a refusal need not wait for the commits under way
        before, after = await self._finishing.run(self._gate.change(decide, self._modes.keep))
        log.warning("audit: the mode was changed", by=by, at=after.changed_at.isoformat(), was=before.mode,
                    now=after.mode, revision=after.revision)  # fmt: skip
        return after
