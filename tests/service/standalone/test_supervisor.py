"""The supervisor over real processes: order, restarts, stops, and its own sudden end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.standalone import supervisor as supervisors
from services.standalone.errors import StandaloneError, StartError
from services.standalone.identity import Identity
from tests.service.standalone.conftest import Run

ROOT = Path(__file__).resolve().parents[3]


async def test_each_starts_once_those_that_it_needs_are_ready(run: Run) -> None:
    await run.start(
        run.fake("door", after={"left", "right"}),
        run.fake("left", after={"base"}),
        run.fake("right", after={"base"}),
        run.fake("base"),
    )
    journal = run.journal()
    assert journal[0] == "base started"
    assert set(journal[1:3]) == {"left started", "right started"}
    assert journal[3] == "door started"


async def test_they_stop_in_the_opposite_order_and_nothing_is_left(run: Run) -> None:
    supervisor = await run.start(
        run.fake("door", after={"service"}), run.fake("service"), run.fake("store", outlives={"service"})
    )
    children = list(supervisor.children.values())
    await supervisor.stop(run.hurry)
    ends = [line for line in run.journal() if line.endswith("ended")]
    assert ends == ["door ended", "service ended", "store ended"]
    assert not any(child.identity.alive for child in children)
    assert not (run.folder / "processes.json").exists()


async def test_a_job_is_done_before_others_start_and_is_no_process_afterwards(run: Run) -> None:
    job = run.fake("job", "dies-once", "no-port", job=True)
    (run.folder / "journal.job").touch()  # it will not die
    waiting = asyncio.create_task(run.start(run.fake("service", after={"job"}), job))
    await run.until(lambda: "job started" in run.journal())
    assert "service started" not in run.journal()
    os.kill(next(iter(pids(run))), signal.SIGTERM)
    supervisor = await waiting
    assert list(supervisor.children) == ["service"]
    assert list(run.register.entries) == ["service"]


async def test_one_that_fails_at_the_start_ends_the_start_with_the_end_of_its_log(run: Run) -> None:
    with pytest.raises(StartError, match="bad ended with status 1") as caught:
        await run.start(run.fake("bad", "fails"), run.fake("later", after={"bad"}))
    assert "it has a reason" in caught.value.log
    assert run.journal() == []


async def test_one_that_does_not_become_ready_in_time_tells_what_it_said_last(run: Run) -> None:
    with pytest.raises(StartError, match=r"answers 503: \{\"status\": \"fail\"\}"):
        await run.start(run.fake("sick", "never-ready", start_patience=1.0))


async def test_one_that_dies_is_started_again_with_a_line(run: Run) -> None:
    supervisor = await run.start(run.fake("service"))
    before = supervisor.children["service"].identity
    os.kill(before.pid, signal.SIGKILL)
    await run.console.until("was ended by SIGKILL; starting it again")
    await run.console.until("ready again")
    after = supervisor.children["service"].identity
    assert after != before
    assert run.restarts == 1
    entry = run.register.entries["service"]
    assert (entry.state, entry.identity, entry.restarts) == ("ready", after, 1)


async def test_one_that_dies_again_and_again_is_given_more_and_more_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisors, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisors, "LONGEST_DELAY", 0.04)
    supervisor = await run.start(run.fake("service"))
    for delay in ("0.01", "0.02", "0.04", "0.04"):
        os.kill(supervisor.children["service"].identity.pid, signal.SIGKILL)
        await run.console.until(f"starting it again in {delay} s")
        await run.console.until("ready again")
        run.console.lines.clear()


async def test_one_that_ends_before_it_is_ready_again_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "FIRST_DELAY", 0.01)
    program = run.fake("service", "dies-once")
    (run.folder / "journal.service").touch()  # not at the start,
    supervisor = await run.start(program)
    (run.folder / "journal.service").unlink()  # but at the first restart
    os.kill(supervisor.children["service"].identity.pid, signal.SIGKILL)
    await run.console.until("ready again")
    assert run.register.entries["service"].restarts == 2


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StandaloneError("the programs are gone"), "could not be started: the programs are gone"),
        (OSError("no more processes"), "could not be started: no more processes"),
        (ValueError("a mistake"), "ValueError: a mistake"),
    ],
)
async def test_one_that_cannot_be_started_again_is_tried_until_it_can(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    monkeypatch.setattr(supervisors, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisors, "SETTLED", 0.0)
    # The first start goes well, the next three do not.
    errors = iter([None, error, error, error])

    async def clear_the_way() -> None:
        if problem := next(errors, None):
            raise problem

    supervisor = await run.start(run.fake("service", before_start=clear_the_way))
    os.kill(supervisor.children["service"].identity.pid, signal.SIGKILL)
    await run.console.until("ready again")
    said = "\n".join(run.console.lines)
    assert said.count(told) == 3
    # It had lived long, once: that does not make each vain try the first.
    assert re.findall(r"again in (\S+) s", said) == ["0.01", "0.02", "0.04", "0.08"]


async def test_one_that_dies_while_nothing_can_be_written_is_started_again_and_noted_down_later(run: Run) -> None:
    supervisor = await run.start(run.fake("service"))
    run.fill_disk()
    os.kill(supervisor.children["service"].identity.pid, signal.SIGKILL)
    await run.console.until("ready again")
    await supervisor.catch_up()
    assert sum("to be done later" in line for line in run.console.lines) == 1
    assert (run.restarts, run.register.entries) == (0, {})
    run.free_disk()
    await supervisor.catch_up()
    entry = run.register.entries["service"]
    assert (entry.state, entry.identity) == ("ready", supervisor.children["service"].identity)
    assert run.restarts == 1
    await supervisor.catch_up()
    assert run.restarts == 1


async def test_while_nothing_can_be_written_they_stop_in_order_all_the_same(run: Run) -> None:
    supervisor = await run.start(run.fake("door", after={"service"}), run.fake("service"))
    run.fill_disk()
    await supervisor.stop(run.hurry)
    assert [line for line in run.journal() if "started" not in line] == [
        *("door SIGTERM", "door ended"),
        *("service SIGTERM", "service ended"),
    ]
    run.free_disk()


async def test_one_that_cannot_be_asked_to_stop_does_not_keep_the_others_from_it(run: Run) -> None:
    no_signal = 9999
    supervisor = await run.start(run.fake("door", after={"service"}, stop_signal=no_signal), run.fake("service"))
    door = supervisor.children["door"]
    await supervisor.stop(run.hurry)
    try:
        assert any("door" in line and "could not be stopped" in line for line in run.console.lines)
        assert run.journal()[-1] == "service ended"
        assert set(run.register.entries) == {"door", "service"}  # for the next run, which will end it
    finally:
        os.kill(door.identity.pid, signal.SIGKILL)
        await door.wait()


async def test_one_that_does_not_stop_is_made_to(run: Run) -> None:
    supervisor = await run.start(run.fake("stubborn", "ignores-sigterm", stop_patience=0.2))
    await supervisor.stop(run.hurry)
    assert any("had to be ended" in line for line in run.console.lines)
    assert "stubborn ended" not in run.journal()


async def test_in_a_hurry_nobody_is_waited_for(run: Run) -> None:
    supervisor = await run.start(run.fake("stubborn", "ignores-sigterm", stop_patience=600.0))
    stopping = asyncio.create_task(supervisor.stop(run.hurry))
    await run.until(lambda: "stubborn SIGTERM" in run.journal())
    assert not stopping.done()
    run.hurry.set()
    await asyncio.wait_for(stopping, 10)


async def test_nothing_is_started_again_while_it_stops(run: Run) -> None:
    supervisor = await run.start(run.fake("service"))
    os.kill(supervisor.children["service"].identity.pid, signal.SIGKILL)
    await run.console.until("starting it again")
    await supervisor.stop(run.hurry)
    assert run.journal().count("service started") == 1


async def test_ctrl_c_does_not_reach_the_processes_themselves(run: Run) -> None:
    supervisor = await run.start(run.fake("service"))
    pid = supervisor.children["service"].identity.pid
    assert os.getsid(pid) == pid != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_when_the_supervisor_is_killed_its_processes_stop_by_themselves(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib
from tests.service.standalone.conftest import Run

async def main():
    run = Run(pathlib.Path({str(tmp_path)!r}))
    await run.start(run.fake("one"), run.fake("two", after={{"one"}}))
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    runner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"ready\n"
    processes = json.loads((tmp_path / "processes.json").read_text())["processes"]
    identities = [Identity.from_json(entry["identity"]) for entry in processes.values()]
    assert all(one and one.alive for one in identities)
    runner.kill()
    runner.wait()
    runner.stdout.close()
    deadline = time.monotonic() + 20
    while any(one and one.alive for one in identities) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(one and one.alive for one in identities)
    # They were asked, not killed: a drain is possible.
    assert {"one SIGTERM", "two SIGTERM"} <= set((tmp_path / "journal").read_text().splitlines())


def pids(run: Run) -> list[int]:
    return [entry.identity.pid for entry in run.register.entries.values() if entry.identity]
