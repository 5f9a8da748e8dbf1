"""The typed clients: what only reads is asked again while the process behind it restarts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parents[2] / "clients"
READS = ("Get", "List", "Search", "Locate", "Introspect")
AT_ONCE = {
    "GetInfo": "the heartbeat: an element that is not reached is offline now",
    "GetJwks": "its callers have the last known keys, and their own patience",
}


def calls() -> Iterator[tuple[str, bool]]:
    """Each unary call of a client: the RPC's name, and whether it is declared repeatable."""
    for path in CLIENTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="ask"), args=[ast.Attribute(attr=rpc), *_], keywords=keywords):
                    yield rpc, any(word.arg == "repeatable" for word in keywords)


@pytest.mark.parametrize(("rpc", "repeatable"), sorted(set(calls())))
def test_a_read_is_repeatable(rpc: str, repeatable: bool) -> None:
    assert repeatable or not rpc.startswith(READS) or rpc in AT_ONCE


def test_there_are_reads() -> None:
    assert len([rpc for rpc, repeatable in calls() if repeatable]) > 20
