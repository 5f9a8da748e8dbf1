"""What a call carries beside its message: for whom it is made, and the id of the request that it serves."""

from __future__ import annotations

from services.chassis import request_id
from services.chassis.caller import ON_BEHALF_OF, Identity, write_on_behalf_of
from services.model.errors import Unauthorized

Metadata = tuple[tuple[str, str | bytes], ...]


def bearer(identity: Identity | None) -> Metadata:
    """For admin, ingester and query: the user's own token. None: nobody stands behind the call.

    Raises `Unauthorized` for an identity whose token is not known, since the call could only fail.
    """
    if identity is None:
        return _request()
    if identity.token is None:
        raise Unauthorized("this call needs the user's own token")
    return (("authorization", f"Bearer {identity.token}"), *_request())


def on_behalf_of(identity: Identity | None) -> Metadata:
    """For elements, which must never hold a user's token: our word for who it is."""
    if identity is None:
        return _request()
    return ((ON_BEHALF_OF, write_on_behalf_of(identity, request_id.current())), *_request())


def _request() -> Metadata:
    current = request_id.current()
    return ((request_id.HEADER, current),) if current else ()
