"""What the person at the terminal sees: a line for each step, with the time since the start."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator


class Console:
    """Prints to standard output, and to whoever waits for a start in the background."""

    def __init__(self, listener: int | None = None) -> None:
        """`listener` is the pipe of the command that started this run in the background."""
        self._listener = listener
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def step(self, what: str, said: str) -> None:
        """Print one step."""
        self.line(f"{self.elapsed:6.1f} s  {what:<13} {said}")

    @contextlib.contextmanager
    def timed(self, what: str, said: str) -> Iterator[None]:
        """Print one step when it is over, with how long it took."""
        began = time.monotonic()
        yield
        self.step(what, f"{said} ({time.monotonic() - began:.1f} s)")

    def line(self, text: str) -> None:
        """Print one line as it is."""
        # A terminal or a log that has gone must not end the run that it was told of.
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)
        if self._listener is not None:
            try:
                os.write(self._listener, f"{text}\n".encode(errors="replace"))
            except OSError:
                self._listener = None

    def error(self, text: str) -> None:
        """Print what went wrong."""
        if self._listener is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self.line(text)

    def release(self) -> None:
        """Nobody waits for the start any more."""
        if self._listener is not None:
            os.close(self._listener)
            self._listener = None
