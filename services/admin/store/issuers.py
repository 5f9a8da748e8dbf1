"""The file that says which identity providers are trusted."""

from __future__ import annotations

import json
from pathlib import Path

from services.admin.domain.issuers import TrustedIssuer, parse_issuers
from services.chassis.jwks import parse_jwks_url
from services.model.errors import ValidationFailed


def read_issuers(path: Path) -> list[TrustedIssuer]:
    """Read it. Raises `SystemExit` with every problem."""
    try:
        issuers = parse_issuers(json.loads(path.read_text("utf-8")))
        for each in issuers:
            parse_jwks_url(each.jwks_url)
    except ValidationFailed as error:
        told = "\n".join(f"  {problem.field}: {problem.message}" for problem in error.details)
        raise SystemExit(f"Cannot start: the trusted issuers in {path} are wrong.\n{told}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f"Cannot start: the trusted issuers in {path} cannot be read: {error}") from None
    return issuers
