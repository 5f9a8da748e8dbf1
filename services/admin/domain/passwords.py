"""Which passwords people may have."""

from __future__ import annotations

from collections.abc import Container

from services.model.errors import FieldProblem

MIN_LENGTH = 12
"""Characters."""
MAX_LENGTH = 256
"""Characters: enough for any phrase, and little to hash."""
LEAST_DIFFERENT = 5
"""Characters that differ from each other."""


def problems(password: str, username: str, field: str, common: Container[str]) -> list[FieldProblem]:
    """What is wrong with a password that somebody of that name wants.

    `common`: passwords, in lower case, that are tried first by whoever guesses.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return [FieldProblem(field, f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")]
    folded = password.casefold()
    if len(username) > 2 and username.casefold() in folded:
        return [FieldProblem(field, "must not contain the username")]
    if _is_common(folded, common):
        return [FieldProblem(field, "is too easy to guess: it is, or is made of, a common password")]
    return []


def _is_common(folded: str, common: Container[str]) -> bool:
    """Whether it is one, repeats one, or has digits and signs put around one."""
    core = folded.strip("".join({each for each in folded if not each.isalpha()}))
    repeated = folded[: _period(folded)]
    return len(set(folded)) < LEAST_DIFFERENT or folded in common or core in common or repeated in common


def _period(text: str) -> int:
    """The length of the part that `text` repeats; its own if it repeats none."""
    return (text + text).find(text, 1)
