"""A person's second factor: codes that change with time (RFC 6238), and recovery codes for when the device is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

STEP = 30
"""Seconds for which a code counts (RFC 6238 section 5.2)."""
DIGITS = 6
WINDOW = 1
"""Steps by which the clock of a device may be wrong, either way."""
RECOVERY_CODES = 10
"""Given out at once; each is good for one login."""

_TOTP = re.compile(rf"[0-9]{{{DIGITS}}}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Factor:
    """What is kept of one person's."""

    secret: bytes = field(repr=False)
    enrolled_at: datetime
    """Tells two enrolments apart."""
    confirmed: bool
    """Before it counts for nothing: whoever fails to set his device up is not locked out by it."""


def steps_around(now: datetime) -> range:
    """The steps whose codes are taken at `now`."""
    present = int(now.timestamp()) // STEP
    return range(present - WINDOW, present + WINDOW + 1)


def typed(text: str) -> str:
    """A code as people type it, without what they put in between."""
    return "".join(text.split()).replace("-", "").upper()


def is_totp(code: str) -> bool:
    """Whether it looks like a code of a device."""
    return _TOTP.fullmatch(code) is not None


def is_recovery(code: str) -> bool:
    """Whether it looks like a recovery code: 80 random bits in base32."""
    return _RECOVERY.fullmatch(code) is not None


def written(code: str) -> str:
    """A recovery code as it is shown: in groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4)).lower()
