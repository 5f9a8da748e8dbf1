"""How long the programme runs, and with which luck. `nox -s faults -- --full` and `--seed N` set both.

FAULTS_FULL=1    the full sizes; without it the short ones, which fit into every run of the tests
FAULTS_SEED=N    the luck of an earlier run; without it another one each time. It is printed either way
"""

from __future__ import annotations

import os
import random

FULL = os.environ.get("FAULTS_FULL", "") not in ("", "0")
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))


def luck(*names: object) -> random.Random:
    """The luck of one part of the programme: it does not depend on which other parts ran before."""
    return random.Random("/".join(map(str, (SEED, *names))))  # noqa: S311 - luck, no secret


def sized(short: int, full: int) -> int:
    """The one or the other."""
    return full if FULL else short
