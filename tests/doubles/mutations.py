"""Tokens that are almost right."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def mutated(token: str, count: int, seed: int) -> Iterator[str]:
    """`count` tokens, each changed in one to three places; none of them is empty or means what `token` means."""
    chance = random.Random(seed)  # noqa: S311 - guesses, not keys
    while count:
        changed = token
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            changed = chance.choice((_exchange, _insert, _drop, _swap, _cut, _double))(changed, chance)
        if changed and not _same(changed, token):
            count -= 1
            yield changed


def _exchange(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text)) if text else 0
    return text[:at] + chance.choice(_LETTERS) + text[at + 1 :]


def _insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(_LETTERS + ".") + text[at:]


def _drop(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text)) if text else 0
    return text[:at] + text[at + 1 :]


def _swap(text: str, chance: random.Random) -> str:
    parts = text.split(".")
    chance.shuffle(parts)
    return ".".join(parts)


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _double(text: str, chance: random.Random) -> str:
    at, length = chance.randrange(len(text) + 1), chance.randrange(1, 20)
    return text[: at + length] + text[at:]


def _same(one: str, other: str) -> bool:
    """Whether only bits differ that base64 does not use: the last ones of the signature."""
    head, _, signature = one.rpartition(".")
    right, _, of_other = other.rpartition(".")
    return head == right and _bytes(signature) == _bytes(of_other)


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return text.encode()
