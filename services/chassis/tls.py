"""Mutual TLS 1.3 between all modules (see `services/__init__.py` for how 1.2 is refused).

The certificate's URI SAN says which module a peer is: `spiffe://artstore/<module>[/<storage_id>]`. A grpcio client
cannot match a URI SAN, so clients check a DNS SAN instead, whatever address they dial.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

DOMAIN = "artstore.internal"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one module."""

    cert: Path
    key: Path
    ca: Path

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a gRPC server that takes only callers with a certificate of our authority."""
        return grpc.ssl_server_credentials(
            [(self.key.read_bytes(), self.cert.read_bytes())],
            root_certificates=self.ca.read_bytes(),
            require_client_auth=True,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a channel that shows this module's certificate."""
        return grpc.ssl_channel_credentials(
            root_certificates=self.ca.read_bytes(),
            private_key=self.key.read_bytes(),
            certificate_chain=self.cert.read_bytes(),
        )

    def http_server_context(self) -> ssl.SSLContext:
        """For an HTTP server that takes only callers with a certificate of our authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def server_name_of(module: str) -> str:
    """The DNS name in a module's certificate."""
    return f"{module}.{DOMAIN}"


def element_server_name(storage_id: str) -> str:
    """The DNS name in the certificate of one particular element."""
    return f"{storage_id}.storage.{DOMAIN}"
