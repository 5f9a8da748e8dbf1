"""The run's certificate authority and what it issues."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.standalone import certificates
from services.standalone.certificates import Issued, Subject

NOW = datetime.now(UTC).replace(microsecond=0)
GATEWAY, EDGE, PUBLIC = certificates.module("gateway"), certificates.module("edge"), certificates.public()


def ensure(folder: Path, subjects: Iterable[Subject] = (GATEWAY,), now: datetime = NOW) -> tuple[Issued, list[str]]:
    """Return the first certificate, and what was made."""
    wanted = list(subjects)
    issued, made = certificates.ensure(folder, folder / "copy-of-ca.pem", wanted, now)
    return issued[wanted[0].name], made


def loaded(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate.read_bytes())


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Do a TLS handshake in memory, both sides strict. Raises `ssl.SSLError`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = [False, False]
    for _ in range(10):
        for number, side in enumerate(sides):
            try:
                side.do_handshake()
                done[number] = True
            except ssl.SSLWantReadError:
                continue
    assert done == [True, True]


def context(purpose: ssl.Purpose, folder: Path, own: Issued | None) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(folder / "copy-of-ca.pem"))
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    if own:
        made.load_cert_chain(own.certificate, own.key)
    return made


def test_strict_verification_accepts_both_sides(tmp_path: Path) -> None:
    gateway, _ = ensure(tmp_path)
    edge, _ = ensure(tmp_path, [EDGE])
    server = context(ssl.Purpose.CLIENT_AUTH, tmp_path, gateway)
    shake_hands(server, context(ssl.Purpose.SERVER_AUTH, tmp_path, edge), "gateway.artstore.internal")


def test_a_name_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    gateway, _ = ensure(tmp_path)
    server = context(ssl.Purpose.CLIENT_AUTH, tmp_path, gateway)
    client = context(ssl.Purpose.SERVER_AUTH, tmp_path, gateway)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(server, client, "admin.artstore.internal")


def test_the_public_certificate_opens_no_connection(tmp_path: Path) -> None:
    gateway, _ = ensure(tmp_path)
    public, _ = ensure(tmp_path, [PUBLIC])
    server = context(ssl.Purpose.CLIENT_AUTH, tmp_path, gateway)
    with pytest.raises(ssl.SSLError):
        shake_hands(server, context(ssl.Purpose.SERVER_AUTH, tmp_path, public), "gateway.artstore.internal")


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        (GATEWAY, ["gateway.artstore.internal", "spiffe://artstore/gateway"]),
        (
            certificates.element("se-rw-01"),
            [
                "storage.artstore.internal",
                "se-rw-01.storage.artstore.internal",
                "spiffe://artstore/storage/se-rw-01",
            ],
        ),
        (PUBLIC, ["localhost", "127.0.0.1", "::1"]),
        (
            certificates.public(["192.0.2.7"], ["archive.example"]),
            ["localhost", "archive.example", "127.0.0.1", "::1", "192.0.2.7"],
        ),
    ],
)
def test_it_names_exactly_these(tmp_path: Path, subject: Subject, names: list[str]) -> None:
    issued, _ = ensure(tmp_path, [subject])
    found = loaded(issued).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in found] == names


def test_a_leaf_can_do_no_more_than_it_must(tmp_path: Path) -> None:
    issued, _ = ensure(tmp_path)
    extensions = loaded(issued).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }


def test_keys_are_p256_and_private(tmp_path: Path) -> None:
    ensure(tmp_path, [GATEWAY, EDGE])
    keys = sorted(tmp_path.glob("*.key"))
    assert [key.name for key in keys] == ["ca.key", "edge.key", "gateway.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    public = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes()).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_what_is_good_is_used_again(tmp_path: Path) -> None:
    first, made = ensure(tmp_path)
    before = first.certificate.read_bytes()
    assert made == ["ca", "gateway"]
    again, made_again = ensure(tmp_path, now=NOW + timedelta(days=300))
    assert made_again == []
    assert again.certificate.read_bytes() == before


def test_near_its_end_it_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    ensure(tmp_path)
    ca = (tmp_path / "ca.pem").read_bytes()
    later = NOW + certificates.LEAF_LIFETIME - certificates.RENEW_BEFORE + timedelta(days=1)
    issued, made = ensure(tmp_path, now=later)
    assert made == ["gateway"]
    assert loaded(issued).not_valid_after_utc > later + timedelta(days=365)
    assert (tmp_path / "ca.pem").read_bytes() == ca


def test_an_authority_near_its_end_is_renewed_with_all_it_issued(tmp_path: Path) -> None:
    ensure(tmp_path, [GATEWAY, EDGE])
    _, made = ensure(tmp_path, [GATEWAY, EDGE], now=NOW + certificates.CA_LIFETIME - timedelta(days=30))
    assert made == ["ca", "gateway", "edge"]
    assert (tmp_path / "copy-of-ca.pem").read_bytes() == (tmp_path / "ca.pem").read_bytes()


def test_other_names_make_a_new_one(tmp_path: Path) -> None:
    ensure(tmp_path, [PUBLIC])
    _, made = ensure(tmp_path, [certificates.public(["192.0.2.7"])])
    assert made == ["public"]


@pytest.mark.parametrize("damaged", ["gateway.pem", "gateway.key"])
def test_a_damaged_file_is_replaced(tmp_path: Path, damaged: str) -> None:
    ensure(tmp_path)
    (tmp_path / damaged).write_text("nonsense")
    issued, made = ensure(tmp_path)
    assert made == ["gateway"]
    assert loaded(issued).not_valid_after_utc > NOW


def test_a_key_that_belongs_to_another_certificate_is_replaced(tmp_path: Path) -> None:
    ensure(tmp_path, [GATEWAY, EDGE])
    (tmp_path / "gateway.key").write_bytes((tmp_path / "edge.key").read_bytes())
    _, made = ensure(tmp_path, [GATEWAY, EDGE])
    assert made == ["gateway"]
