"""`standalone.json`: how to reach a run that is ready. Readable by its owner alone, since it holds the secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.standalone import files
from services.standalone.credentials import read
from services.standalone.plan import ADMIN_USERNAME, OPERATOR, Plan
from services.standalone.processes import Child


def write(plan: Plan, children: Mapping[str, Child], *, secret_known: bool) -> None:
    """Write it whole. `secret_known`: whether the stored secret of the system account is still the valid one."""
    settings, credentials = plan.settings, plan.credentials
    value: dict[str, Any] = {
        "base_url": settings.base_url,
        "ca_cert": str(plan.home.ca),
        "grpc_address": settings.base_url.removeprefix("https://"),
        "client_id": read(credentials.client_id),
        "client_secret": read(credentials.client_secret) if secret_known else None,
        "admin_username": ADMIN_USERNAME,
        "admin_password": read(credentials.admin_password),
        "operator_cert": str(plan.certificates[OPERATOR].certificate),
        "operator_key": str(plan.certificates[OPERATOR].key),
        "envoy_admin": str(plan.envoy_admin),
        "processes": {name: _process(child) for name, child in sorted(children.items())},
    }
    if not secret_known:
        value["client_secret_note"] = rotated(plan)
    files.write_json(plan.home.descriptor, value, mode=files.PRIVATE)


def rotated(plan: Plan) -> str:
    """Say what it means that the secret was rotated."""
    return (
        "The secret of the system account was rotated; only who rotated it has the new one. "
        f"Written to {plan.credentials.client_secret}, it is used from the next start."
    )


def _process(child: Child) -> dict[str, Any]:
    program = child.program
    return {
        "pid": child.identity.pid,
        **program.ports,
        **({"data_dir": str(program.data)} if program.data else {}),
    }
