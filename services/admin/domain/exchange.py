"""Token exchange (RFC 8693) taken apart: what can be decided without looking into the token."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused, read_scope, read_target, target_unknown
from services.model.ids import StorageId

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name, as the next ones
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
SUBJECT_TYPES = frozenset(
    {
        ACCESS_TOKEN,
        "urn:ietf:params:oauth:token-type:id_token",
        "urn:ietf:params:oauth:token-type:jwt",
    }
)
"""What may be exchanged: whatever it is called, it must be a JWT signed with RS256."""
MAX_TOKEN = 8192
"""Characters."""


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """A request that is well formed but not yet granted."""

    subject_token: str = field(repr=False)
    scope: str | None
    """As asked for; None: all that there is."""
    element: StorageId | None
    """The one element that the new token is for; None: the services together."""


def subject_refused() -> OAuthRefused:
    """The same for everything that may be wrong with the token (RFC 8693 section 2.2.2)."""
    return OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "the subject_token is not one that is taken here")


def read_exchange_request(form: Mapping[str, str], authorization: str, *, ours: Collection[str]) -> ExchangeRequest:
    """Return what is asked for. Raises `OAuthRefused`. The arguments are as for `read_token_request`."""
    fields = {name: value for name, value in form.items() if value}
    if authorization or "client_secret" in fields:
        # They could only be a service account's, which asks for tokens in its own name.
        raise _wrong("a token is exchanged without client credentials")
    if "subject_token" not in fields or fields.get("subject_token_type") not in SUBJECT_TYPES:
        raise _wrong("subject_token and a subject_token_type of an access token, an ID token or a JWT are needed")
    if "actor_token" in fields or "actor_token_type" in fields:
        raise _wrong("nobody acts for others here")
    if fields.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise _wrong("the only requested_token_type is an access token")
    targets = {read_target(fields[name], ours) for name in ("resource", "audience") if name in fields}
    if len(targets) > 1:
        raise target_unknown()
    return ExchangeRequest(fields["subject_token"], read_scope(fields), next(iter(targets), None))


def issuer_of(token: str) -> str | None:
    """Who the token says has made it: only to choose whose keys to verify it with. None: it is no JWT."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        return None
    try:
        issuer = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).get("iss")
    except (ValueError, AttributeError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None


def _wrong(what: str) -> OAuthRefused:
    return OAuthRefused(OAuthErrorCode.INVALID_REQUEST, what)
