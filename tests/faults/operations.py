"""The table of everything that changes an element's disk: each line is stopped, cut and failed at every call.

A new operation is a line in `OPERATIONS`: on which ground it begins (`making.py`), and its steps (`house.py`). What
must be true is not said here: a file's state after a fault is the one before or after the step under way, and the one
after if the step was answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from services.model.elements import Mode
from services.storage.domain.modes import parse_override
from tests.faults.house import (
    BESIDE_ID,
    ENDING_ID,
    FIRST,
    GONE_ID,
    LATER_ID,
    NEW,
    ONE_OF_SEVERAL,
    RESUMED_ID,
    House,
)
from tests.unit.storage.samples import FILE_ID

Act = Callable[[House], Awaitable[object]]


@dataclass(frozen=True)
class Step:
    """What is answered as one."""

    act: Act
    keys: tuple[str, ...]
    """What of the world it changes (see `world.py`)."""


@dataclass(frozen=True)
class Operation:
    """One line of the table."""

    name: str
    steps: tuple[Step, ...] = ()
    """One after the other; none: the operation is the opening of the element itself."""
    ground: str = "edit"
    """Which element it begins on; see `making.py`."""
    together: bool = False
    """The steps run at once, in threads; how their calls follow one another differs each time."""
    whole: bool = True
    """Where the disk is full nothing of it has happened; else some of it may have."""
    opening: dict[str, Any] = field(default_factory=dict)
    """What the opening says in addition."""

    def __str__(self) -> str:
        return self.name

    @property
    def single(self) -> bool:
        """Whether it is one transaction of a kind of its own."""
        return self.name in ("upload", "upload-beside", "update", "purge", "mode", "collection-noted")

    @property
    def elects(self) -> bool:
        """Whether who fails does not lead then, and may try again."""
        return self.name == "takeover"


async def _opened(house: House) -> None:
    """Nothing more."""


OPENED = Step(_opened, ())
"""The one step of an operation that is an opening."""


def one(name: str, act: Act, *keys: str, **options: Any) -> Operation:
    """An operation of one step."""
    return Operation(name, (Step(act, keys),), **options)


OPERATIONS = (
    one("upload", lambda house: house.create(LATER_ID), LATER_ID),
    one("upload-undeclared", lambda house: house.create(LATER_ID, declared=False), LATER_ID),
    one("upload-beside", lambda house: house.create(BESIDE_ID), BESIDE_ID),
    one("update", lambda house: house.update(FILE_ID), FILE_ID),
    one("delete", lambda house: house.delete(FILE_ID), FILE_ID),
    one("expire", lambda house: house.expire(ENDING_ID), ENDING_ID),
    one("purge", lambda house: house.purge(GONE_ID), GONE_ID),
    one("collect", lambda house: house.collect(), ENDING_ID, GONE_ID, "gc", whole=False),
    one("mode", lambda house: house.transition(Mode.RO), "mode", ground="rw"),
    one("collection-noted", lambda house: house.note_collection(), "gc"),
    one("rebuild", lambda house: house.rebuild(), opening={"indexed": False}, ground="no-index"),
    Operation(
        "one-after-the-other",
        (
            Step(lambda house: house.create(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.update(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.delete(BESIDE_ID), (BESIDE_ID,)),
        ),
    ),
    Operation(
        "together",
        (
            Step(lambda house: house.create(LATER_ID), (LATER_ID,)),
            Step(lambda house: house.create(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.update(FILE_ID), (FILE_ID,)),
            Step(lambda house: house.purge(GONE_ID), (GONE_ID,)),
        ),
        together=True,
    ),
    one("batch", lambda house: house.create_batch(LATER_ID, BESIDE_ID), LATER_ID, BESIDE_ID, whole=False),
    Operation(
        "resumable",
        (
            Step(lambda house: house.begin_upload(), ("upload",)),
            Step(lambda house: house.append(FIRST), ("upload",)),
            Step(lambda house: house.append(len(NEW)), ("upload",)),
            Step(lambda house: house.complete_upload(), ("upload", RESUMED_ID)),
        ),
    ),
    one("set-aside", lambda house: house.verify(FILE_ID), FILE_ID, ground="spoiled"),
    one("put-back", lambda house: house.restore(), FILE_ID, ground="aside", whole=False),
    one("takeover", lambda house: house.take_over(), ground="left-behind", opening={"replicated": ONE_OF_SEVERAL}),
    Operation("init", ground="empty"),
    Operation("start"),
    Operation("override", ground="archive", opening={"mode_override": parse_override("ro@3")}),
    Operation("wal-reset", ground="damaged-journal"),
)
"""Starting, taking over and recovering are the openings at the end; `test_*` also fail the recovery of each other."""


async def attempt(operation: Operation, house: House, answered: set[Step]) -> None:
    """All of it, telling which steps were answered. Raises what the first one raised that was not."""

    async def take(step: Step) -> None:
        await step.act(house)
        answered.add(step)

    if not operation.together:
        for step in operation.steps:
            await take(step)
        return
    results = await asyncio.gather(*map(take, operation.steps), return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException):
            raise each
