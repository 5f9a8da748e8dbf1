"""What the committed stubs say of our services: which of them are for outside, and their descriptors.

The chassis knows no service by name; it reads the options that the protos carry.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterator
from functools import cache

import artstore
from artstore.auth.v1 import requires_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.rpc import error_details_pb2

EDGE = "edge"
"""The module that calls for people and programs outside."""


@cache
def files() -> tuple[FileDescriptor, ...]:
    """Every file of our contract, by name."""
    names = (module.name for module in pkgutil.walk_packages(artstore.__path__, "artstore."))
    stubs = [importlib.import_module(name) for name in names if name.endswith("_pb2")]
    return tuple(sorted((stub.DESCRIPTOR for stub in stubs), key=lambda file: str(file.name)))


def services() -> Iterator[ServiceDescriptor]:
    """Every service of our contract."""
    for file in files():
        yield from file.services_by_name.values()


def is_public(method: MethodDescriptor) -> bool:
    """Whether the method may be called from outside."""
    return EDGE in method.GetOptions().Extensions[requires_pb2.requires].callers


def public_services() -> list[str]:
    """Full names of the services that may be called from outside, sorted. A service is public as a whole or not."""
    return sorted(service.full_name for service in services() if any(map(is_public, service.methods)))


def descriptor_set(shown: Collection[str]) -> descriptor_pb2.FileDescriptorSet:
    """The files of the services `shown` and all that they import, each after what it imports, without other services.

    With `google/rpc/error_details.proto`, whose messages are in the details of errors.
    """
    found: dict[str, FileDescriptor] = {}
    for service in services():
        if service.full_name in shown:
            _collect(service.file, found)
    _collect(error_details_pb2.DESCRIPTOR, found)
    return descriptor_pb2.FileDescriptorSet(file=[_without_others(file, shown) for file in found.values()])


def pool_of(shown: Collection[str]) -> descriptor_pool.DescriptorPool:
    """A pool that knows nothing but `descriptor_set(shown)`."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_set(shown).file:
        pool.Add(file)
    return pool


def _collect(file: FileDescriptor, found: dict[str, FileDescriptor]) -> None:
    if file.name not in found:
        for imported in file.dependencies:
            _collect(imported, found)
        found[file.name] = file


def _without_others(file: FileDescriptor, shown: Collection[str]) -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    kept = [service for service in proto.service if f"{file.package}.{service.name}" in shown]
    del proto.service[:]
    proto.service.extend(kept)
    return proto
