"""The run's own certificate authority, and a certificate for every process.

ECDSA P-256 throughout. Every certificate carries what strict verification asks for (RFC 5280 §4.2.1: key usage, subject
and authority key identifiers), since Python 3.13 verifies strictly.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.standalone import files

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=60)
"""A certificate with less left is made anew at the next start; the authority, when it would not outlive a new leaf."""
BACKDATED = timedelta(hours=1)
"""For clocks that are a little behind."""

INTERNAL = "artstore.internal"


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names."""

    name: str
    """The file name, and the common name, which nobody checks."""
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    client: bool = True
    """Whether it may also open connections (every process; not the public door)."""

    def alternative_names(self) -> list[x509.GeneralName]:
        """Return the names that are checked."""
        return [
            *(x509.DNSName(name) for name in self.dns),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in self.addresses),
            *(x509.UniformResourceIdentifier(uri) for uri in self.uris),
        ]


def module(name: str) -> Subject:
    """Return the certificate of a module: admin, ingester, query, gateway, edge."""
    return Subject(name, dns=(f"{name}.{INTERNAL}",), uris=(f"spiffe://artstore/{name}",))


def element(storage_id: str) -> Subject:
    """Return the certificate of one storage element."""
    return Subject(
        storage_id,
        dns=(f"storage.{INTERNAL}", f"{storage_id}.storage.{INTERNAL}"),
        uris=(f"spiffe://artstore/storage/{storage_id}",),
    )


def public(extra_addresses: Iterable[str] = (), extra_names: Iterable[str] = ()) -> Subject:
    """Return the certificate of the public door: it serves, and opens nothing."""
    return Subject(
        "public",
        dns=("localhost", *extra_names),
        addresses=("127.0.0.1", "::1", *extra_addresses),
        client=False,
    )


@dataclass(frozen=True)
class Issued:
    """Where a certificate and its key lie, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A key that signs, and its own certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def ensure(
    folder: Path, ca: Path, subjects: Iterable[Subject], now: datetime
) -> tuple[Mapping[str, Issued], list[str]]:
    """Make what is missing, does not fit or runs out; return all by name, and the names of those made now.

    `folder` holds the keys; `ca` is a copy of the authority's certificate for clients.
    """
    authority, made = _authority(folder, now)
    pem = authority.certificate.public_bytes(serialization.Encoding.PEM)
    if not ca.exists() or ca.read_bytes() != pem:
        files.write(ca, pem)
    issued: dict[str, Issued] = {}
    for subject in subjects:
        where = Issued(folder / f"{subject.name}.pem", folder / f"{subject.name}.key")
        if not _still_good(where, subject, authority, now):
            _store(where, *_leaf(subject, authority, now))
            made.append(subject.name)
        issued[subject.name] = where
    return issued, made


def _authority(folder: Path, now: datetime) -> tuple[Authority, list[str]]:
    where = Issued(folder / "ca.pem", folder / "ca.key")
    found = _load(where)
    if found and found.certificate.not_valid_after_utc > now + LEAF_LIFETIME:
        return found, []
    made = _self_signed(now)
    _store(where, made.key, made.certificate)
    return made, ["ca"]


def _self_signed(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ArtStore standalone CA")])
    certificate = (
        _builder(name, name, key.public_key(), key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _leaf(subject: Subject, authority: Authority, now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] + [ExtendedKeyUsageOID.CLIENT_AUTH] * subject.client
    certificate = (
        _builder(name, authority.certificate.subject, key.public_key(), authority.key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(subject.alternative_names()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _still_good(where: Issued, subject: Subject, authority: Authority, now: datetime) -> bool:
    """Whether the stored one is by this authority, for exactly these names, and lasts."""
    found = _load(where)
    if found is None or found.certificate.not_valid_after_utc < now + RENEW_BEFORE:
        return False
    try:
        found.certificate.verify_directly_issued_by(authority.certificate)
        names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = found.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return list(names) == subject.alternative_names() and (ExtendedKeyUsageOID.CLIENT_AUTH in usages) == subject.client


def _load(where: Issued) -> Authority | None:
    """Read a key and its certificate; None if one is missing, damaged, or they do not belong together."""
    try:
        key = serialization.load_pem_private_key(where.key.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(where.certificate.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return Authority(key, certificate)


def _store(where: Issued, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files.write(where.key, pem, mode=files.PRIVATE)
    files.write(where.certificate, certificate.public_bytes(serialization.Encoding.PEM))
