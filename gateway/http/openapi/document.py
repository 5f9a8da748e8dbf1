"""The whole document."""

from __future__ import annotations

from gateway.http.openapi.operations import PATHS
from gateway.http.openapi.parts import Json, error_responses, schemas

SCOPES = {
    "files:read": "Find and download documents.",
    "files:write": "Store, change and delete documents.",
    "storage:read": "See storage elements.",
    "storage:write": "Register and steer storage elements.",
    "admin:read": "See accounts, keys, events.",
    "admin:write": "Change accounts and keys.",
}

TAGS = ("auth", "service accounts", "admin users", "files", "storage elements", "operations", "system")

_ABOUT = """\
Documents kept for a long time. Every answer carries `X-Request-Id`; every refusal has the same form, and its `code`
never changes its meaning. Addresses that need a token want `Authorization: Bearer …` from `/auth/token`.
"""


def document(*, version: str, base: str) -> Json:
    """OpenAPI 3.1. `base`: what every path begins with."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "ArtStore", "version": version, "description": _ABOUT},
        "servers": [{"url": base}],
        "security": [{"bearer": []}, {"oauth": []}],  # either way it is the same token
        "tags": [{"name": name} for name in TAGS],
        "paths": PATHS,
        "components": {
            "schemas": schemas(),
            "responses": error_responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "clientSecret": {"type": "http", "scheme": "basic", "description": "client_id and client_secret."},
                "oauth": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": f"{base}/auth/token", "scopes": SCOPES}},
                },
            },
        },
    }
