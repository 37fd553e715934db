"""Who asks: files of principals, signed tokens and their keys, certificates, headers."""

import json
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from connectors.access.authentication import Authentication, Proof
from connectors.access.book import TOKEN_PREFIX, NoBook, book_of
from connectors.access.certificates import peer_of, trust_of
from connectors.access.door import CERTIFICATE, Denied, Door
from connectors.access.keys import Keys, _read, life_s_of
from connectors.access.sessions import Sessions, id_of
from connectors.access.signed import Issuer, NotSigned, Signed
from streams.cli.doctor_files import valid
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, Refused, text_of

Answer = TypeVar("Answer")

_NOW_MS: Final = 1_763_800_000_000
_ISSUER: Final = Issuer("https://issuer.example.org", "flumina")
_KEY: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Always the same one, and of a kind whose signatures are: samples are the same in every run."""
_FAR_S: Final = 32_503_680_000
"""The year 3000: samples of tokens never expire."""


def _ran(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What the coroutine answers; it may wait for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    work.close()
    raise AssertionError("it waits")


def _keys() -> Keys:
    """Keys that are known already, so that nobody is asked."""
    found = Keys("http://127.0.0.1:9/keys", now_s=lambda: 0.0)
    found._keys = _read(_KEY_SET)
    found._until_s, found._asked_s = 1.0, 0.0
    return found


def _key_set() -> bytes:
    public: dict[str, Any] = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(_KEY.public_key()))
    return json.dumps({"keys": [public | {"kid": "one", "use": "sig", "alg": "EdDSA"}]}).encode()


def _token(claims: bytes, header: bytes = b'{"alg":"EdDSA","kid":"one"}') -> bytes:
    """A token of these two texts, whatever they are, with a signature that is right."""
    said = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in (header, claims))
    return said + b"." + urlsafe_b64encode(_KEY.sign(said)).rstrip(b"=")


def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    names = [x509.UniformResourceIdentifier("spiffe://example.org/a"), x509.DNSName("a.example")]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_KEY.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=10_000))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(_KEY, None)
    )


def _revoked() -> bytes:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    row = x509.RevokedCertificateBuilder().serial_number(8).revocation_date(begin).build()
    found = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_CERTIFICATE.issuer)
        .last_update(begin)
        .next_update(begin + timedelta(days=10_000))
        .add_revoked_certificate(row)
        .sign(_KEY, None)
    )
    return found.public_bytes(serialization.Encoding.PEM)


_KEY_SET: Final = _key_set()
_CERTIFICATE: Final = _certificate()
_DER: Final = _CERTIFICATE.public_bytes(serialization.Encoding.DER)
_PEM: Final = _CERTIFICATE.public_bytes(serialization.Encoding.PEM)
_OURS: Final = f"{TOKEN_PREFIX}0123456789ab_abc"
_CLAIMS: Final = (
    json.dumps(
        {
            "iss": _ISSUER.name,
            "aud": _ISSUER.audience,
            "sub": "ada@example.org",
            "exp": _FAR_S,
            "iat": 1,
            "nbf": 1,
            "groups": ["team"],
        }
    ).encode(),
)
_TOKEN: Final = _token(_CLAIMS[0])
_PRINCIPALS: Final = (
    json.dumps(
        {
            "principals": [
                {
                    "name": "ada",
                    "role": "producer",
                    "owners": ["team@example.com"],
                    "token": f"0123456789ab:{sha256(_OURS.encode()).hexdigest()}",
                    "expiresAt": "2999-01-31T00:00:00Z",
                },
                {"name": "console", "role": "viewer", "subject": "s", "isDelegate": True},
                {"name": "b", "role": "admin", "certificate": "spiffe://example.org/a"},
                {"name": "c", "role": "viewer", "group": "team", "cells": ["main"]},
            ]
        }
    ).encode(),
)


def _book(data: bytes) -> object:
    book = book_of(data)
    return (
        book.of_token(_OURS, _NOW_MS),
        book.of_certificate(("spiffe://example.org/a",), _NOW_MS),
        book.of_subject("s", ("team",), _NOW_MS),
        book.of_name("ada", _NOW_MS),
    )


def _signed(data: bytes) -> object:
    return _ran(Signed(_ISSUER, _keys()).claims(data.decode("latin-1")))


def _claims(data: bytes) -> object:
    return _admitted(_token(data))


def _header(data: bytes) -> object:
    return _admitted(_token(_CLAIMS[0], data))


def _admitted(data: bytes) -> object:
    """A token as `Authorization` has it, with everything that is set up to look at one."""
    authentication = Authentication(
        lambda: _NOW_MS, signed=Signed(_ISSUER, _keys()), now_s=lambda: 0.0
    )
    door = Door(authentication, "main", Sessions(60, is_secure=False))
    headers = [(b"authorization", b"Bearer " + data), (b"cookie", data)]
    return _ran(door.admit({"headers": headers, "method": "GET", "path": "/", "client": None}))


def _quietly(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Without the warnings that the library has for some numbers; here they would be errors."""

    def quiet(data: bytes) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parse(data)

    return quiet


def _shown(data: bytes) -> object:
    """A certificate as the server hands it over, of which the book knows one."""
    authentication = Authentication(lambda: _NOW_MS, now_s=lambda: 0.0)
    scope = {"headers": [], "method": "GET", CERTIFICATE: data}
    door = Door(authentication, "main")
    try:
        _ran(door.admit(scope))
    except Denied as error:
        if error.text.startswith("Nobody here"):
            return _ran(_nobody(authentication, data))
        raise
    return None


async def _nobody(authentication: Authentication, data: bytes) -> object:
    assert not await authentication.still(Proof(certificate=data))
    return peer_of(data)


def _authorities(path: Path) -> object:
    return trust_of(path, None)


def _lists(ca: bytes, path: Path) -> object:
    other = path.with_name("ca-of-lists.pem")
    other.write_bytes(ca)
    return trust_of(other, path)


def _looked_at(path: Path) -> object:
    (found,) = valid({"FLUMINA_CA": path})
    if "cannot be read" in found.text:
        raise Refused(found.text)
    return found


def _cookie(data: bytes) -> object:
    found = id_of(data.decode("latin-1"))
    if not found:
        raise Refused("no login")
    return found


def _life(data: bytes) -> object:
    return life_s_of(text_of(data))


PARSERS: Final = (
    Parser("principals", "json", _book, (NoBook,), _PRINCIPALS),
    Parser("signing-keys", "json", _read, (ValueError,), (_KEY_SET,)),
    Parser("life-of-keys", "text", _life, (), (b"public, max-age=300", b"no-store"), tolerant=True),
    Parser("signed-token", "text", _signed, (NotSigned,), (_TOKEN,)),
    Parser("claims-of-a-token", "json", _claims, (Denied,), _CLAIMS),
    Parser("header-of-a-token", "json", _header, (Denied,), (b'{"alg":"EdDSA","kid":"one"}',)),
    Parser("headers-of-who-asks", "text", _admitted, (Denied,), (_TOKEN,)),
    Parser("certificate-of-who-asks", "binary", _quietly(_shown), (Denied,), (_DER,)),
    Parser(
        "authorities", "text", _quietly(in_file("ca.pem", _authorities)), (ValueError,), (_PEM,)
    ),
    Parser(
        "revoked-certificates",
        "text",
        _quietly(in_file("crl.pem", partial(_lists, _PEM))),
        (ValueError,),
        (_revoked(),),
    ),
    Parser(
        "doctor-of-certificates", "text", _quietly(in_file("looked.pem", _looked_at)), (), (_PEM,)
    ),
    Parser("cookie-of-a-login", "text", _cookie, (), (b"flumina_session=abc; a=b",)),
)
