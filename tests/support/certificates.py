"""An authority for tests, and certificates for every module and element that a test starts or plays.

Made by the code of the standalone run, so that tests meet exactly the certificates that processes meet there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from services.chassis.tls import TlsFiles
from services.standalone import certificates


class Certificates:
    """One authority in `folder`. Two instances on different folders do not trust each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = folder / "authority.pem"
        folder.mkdir(parents=True, exist_ok=True)

    def module(self, name: str) -> TlsFiles:
        """The certificate of a module: admin, ingester, query, gateway, edge … Made at the first call."""
        return self._issue(certificates.module(name))

    def element(self, storage_id: str) -> TlsFiles:
        """The certificate of a storage element."""
        return self._issue(certificates.element(storage_id))

    def _issue(self, subject: certificates.Subject) -> TlsFiles:
        issued, _ = certificates.ensure(self._folder, self._ca, [subject], datetime.now(UTC))
        return TlsFiles(cert=issued[subject.name].certificate, key=issued[subject.name].key, ca=self._ca)


def environment(prefix: str, tls: TlsFiles) -> dict[str, str]:
    """The settings that give a process its certificate; `prefix` as in "SE_"."""
    return {f"{prefix}TLS_CERT": str(tls.cert), f"{prefix}TLS_KEY": str(tls.key), f"{prefix}TLS_CA": str(tls.ca)}
