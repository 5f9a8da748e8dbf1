"""Processes that are there at once: forked by a server that has imported everything, instead of started anew.

Each is a process of its own, with nothing open and no thread at its beginning, and is killed by its own id. Importing
takes longer than everything else that a restart does.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

PATIENCE = 20.0

_context: list[ForkServerContext] = []


def fork(job: Callable[..., object], *arguments: Any) -> ForkServerProcess:
    """Start `job` in a process of its own."""
    if not _context:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["services", "services.storage.__main__", "tests.faults.working"])
        _context.append(context)
    process: ForkServerProcess = _context[0].Process(target=job, args=arguments, daemon=True)
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """SIGKILL, whatever it does."""
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode is not None, "it does not end"


def show(process: ForkServerProcess, log: Path) -> None:
    """Print what it has said last, and where its threads are: for a test that has failed."""
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGUSR1)
        time.sleep(0.5)  # it writes, and answers nobody
    print(log.read_text("utf-8", "replace")[-20_000:])  # noqa: T201 - captured; pytest shows it with the failure


def element(environment: Mapping[str, str], log: str) -> None:
    """`python -m services.storage` with these settings; what it says goes to the file `log`."""
    with Path(log).open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    faulthandler.register(signal.SIGUSR1, file=sys.stderr)
    os.environ.update(environment)
    sys.argv = ["services.storage"]
    from services.storage.__main__ import main

    main([])
