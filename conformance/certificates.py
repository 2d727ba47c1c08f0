"""Certificates of a throw-away authority, for servers and clients on the loopback address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files; the key is readable by its owner only."""

    cert: Path
    key: Path
    serial: int

    def replace(self, other: Pair) -> None:
        """Puts another pair in the place of this one, each file at once, as certificate managers do."""
        for ours, theirs in ((self.cert, other.cert), (self.key, other.key)):
            temporary = ours.with_suffix(".new")
            temporary.touch(mode=0o600)
            temporary.write_bytes(theirs.read_bytes())
            temporary.replace(ours)


class Authority:
    """A CA over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"conformance {folder.name}")])
        constraints = (x509.BasicConstraints(ca=True, path_length=0), True)
        certificate = self._sign(self._name, self._key.public_key(), constraints)
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, days: int = 1) -> Pair:
        """Valid until so many days from now; of a number below 0, no more."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = self._sign(subject, key.public_key(), (x509.SubjectAlternativeName(names), False), days)
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key", certificate.serial_number)
        pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return pair

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: tuple[x509.ExtensionType, bool], days: int = 1) -> x509.Certificate:
        now = datetime.now(UTC)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now - timedelta(hours=1), now + timedelta(days=days - 30)))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(issuer_key, critical=False)
            .add_extension(extension[0], critical=extension[1])
            .sign(self._key, hashes.SHA256())
        )
