"""Client certificates: the names in one, and whether it still counts.

The one thing to know: the handshake verifies a certificate once, and a connection may be kept for
hours. So each request looks again whether the certificate was revoked since, or its authority is
trusted no more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509


class Peer(NamedTuple):
    """What a client's certificate says."""

    names: tuple[str, ...]
    """URIs first, then DNS names."""
    issuer: bytes
    serial: int
    expires_at_ms: int


@lru_cache(maxsize=4_096)
def peer_of(der: bytes) -> Peer:
    """What this certificate says; `ValueError` where it is none."""
    from cryptography import x509  # noqa: PLC0415 - only who asks for certificates pays for it

    with _unreadable_is_value_error():
        found = x509.load_der_x509_certificate(der)
        try:
            named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            uris = named.get_values_for_type(x509.UniformResourceIdentifier)
            names = (*uris, *named.get_values_for_type(x509.DNSName))
        except x509.ExtensionNotFound:
            names = ()
        until_ms = int(found.not_valid_after_utc.timestamp() * 1_000)
        return Peer(names, found.issuer.public_bytes(), found.serial_number, until_ms)


class Trust(NamedTuple):
    """Whose certificates count, and which of them do not."""

    authorities: frozenset[bytes]
    revoked: frozenset[tuple[bytes, int]]

    def counts(self, peer: Peer) -> bool:
        """Whether a certificate that was verified once still counts."""
        return peer.issuer in self.authorities and (peer.issuer, peer.serial) not in self.revoked


def trust_of(ca: Path, crl: Path | None) -> Trust:
    """What these files say; raises `OSError` and `ValueError`."""
    from cryptography import x509  # noqa: PLC0415 - see above

    with _unreadable_is_value_error():
        found = x509.load_pem_x509_certificates(ca.read_bytes())
        revoked: set[tuple[bytes, int]] = set()
        if crl is not None:
            for each in _lists(crl.read_bytes()):
                issuer = each.issuer.public_bytes()
                revoked |= {(issuer, row.serial_number) for row in each}
        return Trust(frozenset(each.subject.public_bytes() for each in found), frozenset(revoked))


@contextmanager
def _unreadable_is_value_error() -> Iterator[None]:
    """Say of every certificate and list that cannot be read that its value is wrong.

    The library does so for most; some versions, extensions and names have errors of their own.
    """
    from cryptography import x509  # noqa: PLC0415 - see above

    own = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
    try:
        yield
    except own as error:
        raise ValueError(str(error)) from error


def _lists(data: bytes) -> "list[x509.CertificateRevocationList]":
    from cryptography import x509  # noqa: PLC0415 - see above

    begin = b"-----BEGIN X509 CRL-----"
    pieces = data.split(begin)[1:]
    if not pieces:
        raise ValueError("the file of revoked certificates has no list in PEM")
    return [x509.load_pem_x509_crl(begin + each) for each in pieces]
