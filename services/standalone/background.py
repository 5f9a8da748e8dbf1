"""A run in the background: started, waited for, and left to itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from services.standalone import files
from services.standalone.config import Settings
from services.standalone.console import READY
from services.standalone.home import Home
from services.standalone.plan import PROJECT


def start(settings: Settings, home: Home, environment: Mapping[str, str]) -> int:
    """Start a run in a session of its own, show its progress, return its status once it is ready or has failed."""
    reading, writing = os.pipe()
    with home.log("standalone").open("ab") as output:
        os.fchmod(output.fileno(), files.PRIVATE)
        child = subprocess.Popen(
            [sys.executable, "-m", "services.standalone", "up", "--listener", str(writing)],
            # The home is named in full: the child stands in another folder.
            env={**environment, "ARTSTORE_HOME": str(settings.home)},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    try:
        return _follow(reading, child)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        _follow(reading, child)
        return 130


def _follow(reading: int, child: subprocess.Popen[bytes]) -> int:
    """Print what the run says until it is ready (then 0) or has ended."""
    with os.fdopen(os.dup(reading), "rb") as lines:
        for line in lines:
            if line == READY:
                return 0
            _show(line)
    return child.wait() or 1


def _show(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more (`make up DETACH=1 | head`): the run goes on, and so does the waiting for it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
