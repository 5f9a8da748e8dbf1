"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

JSON = "application/json"

_encoder = msgspec.json.Encoder()


def json(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """`body` (a Struct) as JSON in UTF-8."""
    return Response(
        _encoder.encode(body),
        status_code=status,
        media_type=JSON,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def nothing(headers: Mapping[str, str] | None = None) -> Response[None]:
    """204: done, and there is nothing to say."""
    return Response(None, status_code=204, headers=dict(headers or {}))
