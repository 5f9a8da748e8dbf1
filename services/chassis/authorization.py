"""Who may make a call: what the proto says of it (`artstore.auth.v1.requires`), and nothing else."""

from __future__ import annotations

from artstore.auth.v1 import requires_pb2
from google.protobuf import descriptor_pool

from services.chassis.caller import Identity
from services.model.errors import Forbidden, Unauthorized

OPEN_TO_MODULES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)
"""Services that any module may call, without a user."""


def requirement_of(method: str) -> requires_pb2.Requirement | None:
    """What "/package.Service/Method" requires; None when its proto does not say."""
    service, _, name = method.lstrip("/").rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
    except KeyError:
        return None
    options = descriptor.GetOptions()
    if not options.HasExtension(requires_pb2.requires):
        return None
    return options.Extensions[requires_pb2.requires]


class Authorization:
    """Decides calls by their method's requirement, which is looked up once."""

    def __init__(self) -> None:
        self._requirements: dict[str, requires_pb2.Requirement | None] = {}

    def needs_user(self, method: str) -> bool:
        """Whether the user behind the call matters at all."""
        requirement = self._requirement(method)
        return requirement is not None and not requirement.anonymous

    def check(self, method: str, *, module: str, identity: Identity | None) -> None:
        """Return if the call may be made. Raises `Forbidden` or `Unauthorized`."""
        if method.lstrip("/").rpartition("/")[0] in OPEN_TO_MODULES:
            return
        requirement = self._requirement(method)
        if requirement is None:
            raise Forbidden("this call is open to nobody")
        if module not in requirement.callers:
            raise Forbidden(f"a caller with the certificate of {module} may not make this call")
        if requirement.anonymous:
            return
        if identity is None:
            raise Unauthorized("this call needs a user")
        missing = set(requirement.scopes) - identity.scopes
        if missing:
            raise Forbidden(f"the token lacks the scope {', '.join(sorted(missing))}")

    def _requirement(self, method: str) -> requires_pb2.Requirement | None:
        if method not in self._requirements:
            self._requirements[method] = requirement_of(method)
        return self._requirements[method]
