"""The lint that every RPC declares what it requires of its caller, with `option (artstore.auth.v1.requires)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

CALLERS: Final = frozenset({"edge", "gateway", "ingester", "query", "admin", "admin_ui", "storage", "operator"})
"""Modules that have a certificate."""

SCOPES: Final = frozenset(f"{what}:{how}" for what in ("files", "storage", "admin") for how in ("read", "write"))
"""Every scope there is."""


class ProtoError(Exception):
    """A check of the contract failed; the message says what to mend."""


def check_requires(files: FileDescriptorSet) -> None:
    """Raise `ProtoError` naming each RPC of ours whose requirement is absent or cannot be meant."""
    if faults := list(requires_faults(files)):
        raise ProtoError("requirements of RPCs:\n  " + "\n  ".join(faults))


def requires_faults(files: FileDescriptorSet) -> Iterator[str]:
    """Yield "package.Service/Method: what is wrong" for each fault.

    The option is read through a pool made of `files` alone, so that no generated stub need be up to date.
    """
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    options_class = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    requires = pool.FindExtensionByName("artstore.auth.v1.requires")
    for name, method in our_methods(files):
        options: Any = options_class.FromString(method.options.SerializeToString())  # made at run time: no static type
        declared = options.Extensions[requires] if options.HasExtension(requires) else None
        for fault in faults_of(declared):
            yield f"{name}: {fault}"


def our_methods(files: FileDescriptorSet) -> Iterator[tuple[str, MethodDescriptorProto]]:
    """Yield every method of package `artstore` with its full name."""
    for file in files.file:
        if file.package.startswith("artstore."):
            for service in file.service:
                for method in service.method:
                    yield f"{file.package}.{service.name}/{method.name}", method


def faults_of(declared: Any) -> Iterator[str]:  # a message class made at run time: no static type
    """Yield what is wrong with one requirement, None being an absent one."""
    if declared is None:
        yield "does not declare (artstore.auth.v1.requires)"
        return
    if not declared.callers:
        yield "names no caller"
    if declared.anonymous and declared.scopes:
        yield "is anonymous, yet asks for scopes"
    yield from (f"unknown caller {caller!r}" for caller in declared.callers if caller not in CALLERS)
    yield from (f"unknown scope {scope!r}" for scope in declared.scopes if scope not in SCOPES)
