"""docs/settings.md and .env.example, from the settings classes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_settings import BaseSettings

import gateway.config
import services.admin.config
import services.ingester.config
import services.query.config
import services.standalone.config
import services.storage.config
from services.chassis.describe import REQUIRED, UNSET, Row, rows
from services.chassis.settings import TelemetrySettings

CLASSES: dict[str, tuple[type[BaseSettings], ...]] = {
    "services.admin": (services.admin.config.Settings, services.admin.config.MigrateSettings),
    "services.storage": (services.storage.config.Settings,),
    "services.ingester": (services.ingester.config.Settings,),
    "services.query": (services.query.config.Settings,),
    "gateway": (gateway.config.Settings,),
}
"""By the module that is run. A test holds this against the processes that there are."""

_HEAD = """\
# Settings

Every process is told what it must know by its environment. `python -m <module> --describe` prints its table; this page
is made from the same source (`nox -s docs`).

Required settings have no default. Sizes are written as bytes or as `64MiB`, `1GiB`; durations as `500ms`, `90s`, `15m`,
`24h`, `7d`. A process that is told something wrong names every wrong variable and ends with status 2.
"""

_EXAMPLE_HEAD = """\
# What can be set, each with its default. Copy this file to .env, take the # from what you want to change, and start
# with
#   set -a; . ./.env; set +a; make up
# The standalone run settles what its processes must know of one another (ports, certificates, addresses) itself.
"""


def document() -> str:
    """Return docs/settings.md."""
    return "\n".join([_HEAD, *(f"{_section(title, table)}" for title, table in _tables())])


def example() -> str:
    """Return .env.example."""
    parts = [_EXAMPLE_HEAD]
    for title, table in _tables():
        parts.append(f"# -- {title} ".ljust(100, "-") + "\n" + "".join(_line(row) for row in table))
    return "\n".join(parts)


def _tables() -> Iterator[tuple[str, list[Row]]]:
    yield "The standalone run (`python -m services.standalone`)", list(services.standalone.config.DESCRIBED)
    for module, classes in CLASSES.items():
        yield f"`{module}`", rows(*classes)
    yield "Every process: traces", rows(TelemetrySettings)


def _section(title: str, table: list[Row]) -> str:
    lines = [f"## {title}\n", "| variable | type | default | |", "|---|---|---|---|"]
    lines += [f"| `{row.variable}` | {row.type} | {_shown(row)} | {_escaped(row.description)} |" for row in table]
    return "\n".join(lines) + "\n"


def _shown(row: Row) -> str:
    return row.default if row.default in (REQUIRED, UNSET) else f"`{row.default}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


def _line(row: Row) -> str:
    value = "" if row.default in (REQUIRED, UNSET) else row.default
    note = " (required)" if row.default == REQUIRED else ""
    return f"# {row.description}{note}\n#{row.variable}={value}\n"
