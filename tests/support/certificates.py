"""A certificate authority for tests: servers and clients that it signs, and what it takes back.

Keys are P-256, which take a millisecond; everything is written as PEM into one directory.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path
    serial: int


class Authority:
    """Signs certificates; its own is at ``ca``."""

    def __init__(self, directory: Path, name: str = "flumina test authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._revoked: list[int] = []
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        built = (
            self._begun(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = directory / "ca.pem"
        self.crl = directory / "crl.pem"
        self.ca.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        self.write_crl()

    def server(
        self, name: str = "server", hosts: Sequence[str] = ("localhost", "127.0.0.1")
    ) -> Pair:
        """A server's pair; the same name again replaces the files: a rotation."""
        return self._signed(name, [_of_host(each) for each in hosts], is_server=True)

    def client(self, name: str = "client", uri: str = "spiffe://test/client") -> Pair:
        """A client's pair, whose alternative name is a URI (or a DNS name)."""
        kind = x509.UniformResourceIdentifier if "://" in uri else x509.DNSName
        return self._signed(name, [kind(uri)], is_server=False)

    def revoke(self, pair: Pair) -> None:
        """Put a certificate on the list of revocation, at ``crl``."""
        self._revoked.append(pair.serial)
        self.write_crl()

    def write_crl(self) -> None:
        """Write the list of revocation anew."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - DAY)
            .next_update(now + 30 * DAY)
        )
        for serial in self._revoked:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(revoked.revocation_date(now - DAY).build())
        signed = builder.sign(self._key, hashes.SHA256())
        self.crl.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _signed(self, name: str, alternative: list[x509.GeneralName], *, is_server: bool) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = (
            self._begun(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(
            self._directory / f"{name}.pem", self._directory / f"{name}.key", built.serial_number
        )
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        pair.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        return pair

    def _begun(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 365 * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )


def _of_host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
