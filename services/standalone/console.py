"""What the person at the terminal sees: a line for each step, with the time since the start."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TextIO

READY = b"\x06\n"
"""What the listener gets last when all is ready (ACK, which no line holds)."""


class Console:
    """Prints to standard output, and to whoever waits for a start in the background."""

    def __init__(self, *, log: TextIO | None = None, listener: int | None = None) -> None:
        """`log` gets every line too; `listener` is the pipe of the command that started this run in the background."""
        self._listener = listener
        self._log = log
        self._began = time.monotonic()
        self._settled = False

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def step(self, what: str, said: str) -> None:
        """Print one step."""
        when = time.strftime("%Y-%m-%d %H:%M:%S") if self._settled else f"{self.elapsed:6.1f} s"
        self.line(f"{when}  {what:<13} {said}")

    def settle(self) -> None:
        """The start is over: nobody waits for it any more, and from now on lines carry the date."""
        self._settled = True
        if self._listener is not None:
            with contextlib.suppress(OSError):
                os.write(self._listener, READY)
            self.release()

    @contextlib.contextmanager
    def timed(self, what: str, said: str) -> Iterator[None]:
        """Print one step when it is over, with how long it took."""
        began = time.monotonic()
        yield
        self.step(what, f"{said} ({time.monotonic() - began:.1f} s)")

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self._print(text, sys.stdout)
        if self._listener is not None:
            try:
                os.write(self._listener, f"{text}\n".encode(errors="replace"))
            except OSError:
                self._listener = None

    def error(self, text: str) -> None:
        """Print what went wrong."""
        if self._listener is None:
            self._print(text, sys.stderr)
        else:
            self.line(text)

    def _print(self, text: str, where: TextIO) -> None:
        for each in (where, self._log):
            # A terminal or a disk that has gone must not end the run.
            with contextlib.suppress(OSError, ValueError):
                if each is not None:
                    print(text, file=each, flush=True)

    def release(self) -> None:
        """Let the command that waits for the start go."""
        if self._listener is not None:
            os.close(self._listener)
            self._listener = None
