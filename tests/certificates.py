"""A certificate authority for tests: certificates with any end, for servers and clients alike."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from liangfa_kit.settings import Tls

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Authority:
    """A CA of its own."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    @classmethod
    def made(cls, name: str = "test CA") -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(name, key, _signed(name, key, name, key, timedelta(days=1), is_ca=True))

    def issue(
        self,
        folder: Path,
        *,
        lasts: timedelta = timedelta(hours=1),
        name: str = "service",
        begins: timedelta = timedelta(days=-1),
    ) -> Tls:
        """Write a certificate, its key and the CA into `folder`, each replaced whole; return settings that name them.

        It begins and ends so long after now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        folder.mkdir(parents=True, exist_ok=True)
        certificate = _signed(name, key, self.name, self.key, lasts, is_ca=False, begins=begins)
        for file, content in (("ca.crt", self.certificate), ("tls.key", private), ("tls.crt", certificate)):
            fresh = folder / f".{file}"
            fresh.write_bytes(content)
            os.replace(fresh, folder / file)  # noqa: PTH105 - as an operator's `mv`
        return Tls(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")


def serial_of(tls: Tls) -> int:
    """Return the serial number of the certificate that the files hold now."""
    assert tls.certificate is not None
    return x509.load_pem_x509_certificate(tls.certificate.read_bytes()).serial_number


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    lasts: timedelta,
    *,
    is_ca: bool,
    begins: timedelta = timedelta(days=-1),
) -> bytes:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = x509.CertificateBuilder(signer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + begins).not_valid_after(now + lasts)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(_PEM)
