"""What can go wrong in a standalone run, each with a message that says what to do."""

from __future__ import annotations


class StandaloneError(Exception):
    """The run cannot go on; the message is meant for the person at the terminal."""


class AlreadyRunningError(StandaloneError):
    """Another run holds this home."""


class NotAHomeError(StandaloneError):
    """The folder holds something else, so nothing may be written or removed there."""


class StartError(StandaloneError):
    """A process did not become ready. `log` is the end of what it wrote, if anything."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log
