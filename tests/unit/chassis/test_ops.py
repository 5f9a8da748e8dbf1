"""Readiness: what makes a process fail, what only degrades it, and what it tells of its reasons."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.chassis import ops
from services.chassis.ops import Ops


async def well() -> None:
    return


async def ill() -> None:
    raise ConnectionError("nobody listens")


async def silent() -> None:
    await asyncio.Event().wait()


def serving() -> Ops:
    made = Ops("query")
    made.started = True
    return made


async def status(of: Ops) -> Any:
    return (await of.ready())["status"]


async def test_it_is_ok_when_every_check_is() -> None:
    process = serving()
    process.add_check("postgresql", well)
    process.add_check("admin", well, critical=False)
    assert await status(process) == "ok"


@pytest.mark.parametrize(("critical", "expected"), [(True, "fail"), (False, "degraded")])
async def test_what_is_away_fails_or_degrades(critical: bool, expected: str) -> None:
    process = serving()
    process.add_check("postgresql", well)
    process.add_check("admin", ill, critical=critical)
    ready: Any = await process.ready()
    assert ready["status"] == expected
    assert ready["checks"]["admin"]["reason"] == "nobody listens"
    assert ready["checks"]["postgresql"]["status"] == "ok"


async def test_with_nothing_left_it_fails_where_it_needs_one() -> None:
    process = serving()
    process.needs_one = True
    process.add_check("admin", ill, critical=False)
    assert await status(process) == "fail"
    process.add_check("query", well, critical=False)
    assert await status(process) == "degraded"


async def test_a_check_that_does_not_answer_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "CHECK_TIMEOUT", 0.05)
    process = serving()
    process.add_check("postgresql", silent)
    assert await status(process) == "fail"


async def test_it_is_not_ready_before_it_serves_and_while_it_stops() -> None:
    process = Ops("query")
    assert await status(process) == "fail"
    process.started = True
    assert await status(process) == "ok"
    process.stopping = True
    ready: Any = await process.ready()
    assert ready["status"] == "fail"
    assert ready["checks"]["process"]["reason"] == "stopping"


@pytest.mark.parametrize(("critical", "code"), [(True, 503), (False, 200)])
async def test_degraded_still_takes_requests(critical: bool, code: int) -> None:
    process = serving()
    process.add_check("admin", ill, critical=critical)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is to be received")

    await process({"type": "http", "method": "GET", "path": "/health/ready"}, receive, send)
    assert sent[0]["status"] == code
