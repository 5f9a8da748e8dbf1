"""The command line: `python -m services.standalone up | down | status | reset | --describe`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from services.chassis import describe
from services.standalone import background, commands, config, files, home, run
from services.standalone.config import Settings
from services.standalone.console import Console
from services.standalone.errors import StandaloneError
from services.standalone.home import Home

_EPILOG = """\
Settings come from the environment: ARTSTORE_HOME, ARTSTORE_PORT and others; --describe prints them all. Those of single
processes (AM_*, SE_*, IM_*, QM_*, GW_*) are handed to them, such as SE_MAX_FILE_SIZE=10GiB.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        settings = config.load(os.environ)
        return _run(parsed, settings)
    except StandaloneError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(parsed: argparse.Namespace, settings: Settings) -> int:
    where = Home(settings.home)
    match parsed.command:
        case "down":
            return commands.down(where, Console())
        case "status":
            return commands.status(where, Console())
        case "reset":
            return commands.reset(where, Console(), sure=parsed.yes)
    prepared = home.prepare(settings.home)
    if parsed.detach:
        return background.start(settings, prepared, os.environ)
    if parsed.listener is not None:
        return run.up(settings, prepared, Console(listener=parsed.listener), os.environ)
    with prepared.log("standalone").open("a") as output:
        os.fchmod(output.fileno(), files.PRIVATE)
        return run.up(settings, prepared, Console(log=output), os.environ)


class _Describe(argparse.Action):
    """Prints the settings and ends, like `--help`: no command is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(describe.text(config.DESCRIBED), end="")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.standalone",
        description="Runs all of ArtStore on this machine: PostgreSQL, every service, and Envoy before them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--describe", action=_Describe, help="print the settings of the run")
    commands_ = parser.add_subparsers(dest="command", required=True, metavar="command")
    up = commands_.add_parser("up", help="start everything and stay until Ctrl-C", description=_UP)
    up.add_argument("--detach", action="store_true", help="return when it is ready, and leave it running")
    up.add_argument("--listener", type=int, help=argparse.SUPPRESS)  # the pipe of `--detach`
    commands_.add_parser("down", help="stop everything in order and wait for the end", description=_DOWN)
    commands_.add_parser("status", help="show the processes", description=_STATUS)
    reset = commands_.add_parser("reset", help="delete all data", description=_RESET)
    reset.add_argument("--yes", action="store_true", help="do not ask")
    return parser


_UP = (
    "Starts everything and prints the address. standalone.json in ARTSTORE_HOME then holds what clients need. "
    "Ctrl-C stops everything in order; a second one at once. Exit status: 0 after a stop, 1 if the start failed."
)
_DOWN = (
    "Stops the run in ARTSTORE_HOME in order, or ends what a killed one has left. Exit status: 0 when nothing runs "
    "any more."
)
_STATUS = (
    "Shows the processes of the run in ARTSTORE_HOME. Exit status: 0 all is well, 1 something is not, 3 it is down."
)
_RESET = (
    "Deletes every document, the registry, keys and certificates in ARTSTORE_HOME, which must be stopped. "
    "Asks first; without a terminal --yes is needed."
)
