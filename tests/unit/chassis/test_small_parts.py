"""Request ids, callers, deadlines, loops and the ops port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.chassis import deadlines, request_id
from services.chassis.caller import Identity, module_of, read_on_behalf_of, write_on_behalf_of
from services.chassis.loops import Loop
from services.chassis.ops import Ops
from services.model.errors import DeadlineExceeded, Unauthorized
from services.model.ids import Subject


@pytest.mark.parametrize("given", ["a", "A-1_2.3", "x" * 128])
def test_a_valid_request_id_is_kept(given: str) -> None:
    assert request_id.accept(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\nb", "é", "<script>"])
def test_any_other_request_id_is_replaced(given: str | None) -> None:
    made = request_id.accept(given)
    assert made != given
    assert request_id.accept(made) == made


def test_on_behalf_of_survives_the_wire() -> None:
    identity = Identity(Subject("sa_иван"), frozenset({"files:read", "files:write"}), token="secret")
    text = write_on_behalf_of(identity, "r1")
    assert text.isascii()
    assert "secret" not in text
    assert read_on_behalf_of(text) == Identity(identity.subject, identity.scopes)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"sub": 1, "scopes": []}', '{"sub": "", "scopes": []}'])
def test_a_malformed_on_behalf_of_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        read_on_behalf_of(text)


def test_an_identity_never_prints_its_token() -> None:
    assert "secret" not in repr(Identity(Subject("a"), frozenset(), token="secret"))


def test_the_module_is_read_from_the_certificate() -> None:
    assert module_of([b"ingester.artstore.internal", b"spiffe://artstore/ingester"]) == ("ingester", None)
    assert module_of([b"spiffe://artstore/storage/se-1"]) == ("storage", "se-1")
    assert module_of([b"spiffe://elsewhere/ingester", b"ingester"]) is None


async def test_what_is_left_of_a_deadline_is_passed_on() -> None:
    deadlines.bind(1.0)
    left = deadlines.remaining(30.0)
    assert left is not None
    assert 0.8 < left <= 0.95
    assert deadlines.remaining(0.1) == 0.1
    deadlines.bind(0.01)
    with pytest.raises(DeadlineExceeded):
        deadlines.remaining(30.0)
    deadlines.bind(None)
    assert deadlines.remaining(None) is None


async def test_a_silent_stream_is_given_up() -> None:
    async def one_then_silence() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    got = []
    with pytest.raises(DeadlineExceeded):  # noqa: PT012 - the items before the error count
        async for item in deadlines.idle(one_then_silence(), 0.05):
            got.append(item)  # noqa: PERF401 - a comprehension would lose the items before the error
    assert got == [1]


async def test_a_failed_pass_does_not_end_the_loop() -> None:
    passes = 0
    done = asyncio.Event()

    async def one_pass() -> None:
        nonlocal passes
        passes += 1
        if passes == 3:
            done.set()
        raise RuntimeError("this pass failed")

    task = asyncio.create_task(Loop("test", timedelta(milliseconds=1), one_pass).run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()


async def ask(ops: Ops, path: str, method: str = "GET") -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await ops({"type": "http", "path": path, "method": method}, receive, send)
    body = sent[1]["body"]
    return sent[0]["status"], json.loads(body) if body.startswith(b"{") else body


async def test_readiness_is_the_sum_of_the_checks() -> None:
    ops = Ops("storage")

    async def well() -> None:
        return

    async def ill() -> None:
        raise OSError("disk is gone")

    ops.add_check("index", well)
    assert (await ask(ops, "/health/ready"))[0] == 503  # not started yet
    ops.started = True
    status, body = await ask(ops, "/health/ready")
    assert (status, body["status"], body["checks"]["index"]["status"]) == (200, "ok", "ok")
    ops.add_check("filesystem", ill)
    status, body = await ask(ops, "/health/ready")
    assert (status, body["checks"]["filesystem"]["reason"]) == (503, "disk is gone")
    assert (await ask(ops, "/health/live"))[1]["service"] == "storage"


async def test_a_stopping_process_is_not_ready_but_lives() -> None:
    ops = Ops("storage")
    ops.started = ops.stopping = True
    assert (await ask(ops, "/health/ready"))[0] == 503
    assert (await ask(ops, "/health/live"))[0] == 200


async def test_the_ops_port_knows_nothing_else() -> None:
    ops = Ops("storage")
    assert (await ask(ops, "/metrics"))[0] == 200
    assert (await ask(ops, "/"))[0] == 404
    assert (await ask(ops, "/health/live", "POST"))[0] == 405
