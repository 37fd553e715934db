"""The ciphers: a value sealed with its job's key, a key wrapped with the key above it.

The one thing to know: sealing is deterministic. The same value of the same variable of the same job
under the same key is the same text, so that a submission that is sent again is the same submission.
The nonce is made of key, place and value (as in RFC 5297's synthetic nonces), so two different
values share one only by a collision of 96 bits, and all that equality shows is that a variable of
one job has the value that it had.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.secrets.errors import SecretMisplaced
from scheduler.model.sealed import SEALED, TENANT_CHARACTERS

KEY_BYTES: Final = 32
"""AES-256."""
NONCE_BYTES: Final = 12
"""NIST SP 800-38D, 5.2.1.1: 96 bits is the length that GCM wants."""


def new_key() -> bytes:
    """A key of chance."""
    return os.urandom(KEY_BYTES)


def digest_of(*words: str) -> str:
    """A short name of these words that is safe as a part of a path."""
    whole = b"".join(len(each.encode()).to_bytes(4, "big") + each.encode() for each in words)
    digest = hashlib.blake2b(whole, digest_size=12).digest()
    return _text(digest)


class Place(NamedTuple):
    """Where a value belongs, and under which key."""

    tenant: str
    version: int
    job_id: str
    name: str


def sealed_text(key: bytes, place: Place, value: str) -> str:
    """The value as it may stand in the log."""
    bound = place_of(*place)
    plain = value.encode("utf-8", "surrogatepass")
    nonce = _mac(_derived(key, b"nonce"), bound + plain)[:NONCE_BYTES]
    sealed = nonce + AESGCM(_derived(key, b"seal")).encrypt(nonce, plain, bound)
    return f"{SEALED}{place.tenant}.{place.version}:{_text(sealed)}"


def opened_value(key: bytes, place: Place, content: str) -> str:
    """The value inside a sealed text; raises `SecretMisplaced` where it belongs elsewhere."""
    try:
        data = urlsafe_b64decode(content + "=" * (-len(content) % 4))
        sealed, nonce = data[NONCE_BYTES:], data[:NONCE_BYTES]
        plain = AESGCM(_derived(key, b"seal")).decrypt(nonce, sealed, place_of(*place))
    except (InvalidTag, NoBase64) as error:
        raise misplaced(place.job_id, place.name) from error
    return plain.decode("utf-8", "surrogatepass")


def misplaced(job_id: str, name: str) -> SecretMisplaced:
    """What is said of a value that does not belong where it stands."""
    return SecretMisplaced(
        f"The sealed value of {name} is not one of job {job_id}: it was sealed for another job or "
        "variable, or was changed. Give the value itself, or seal it for this job."
    )


def place_of(*words: object) -> bytes:
    """What a value is bound to, as bytes that no other words give."""
    texts = [str(each).encode() for each in words]
    return b"".join(len(each).to_bytes(4, "big") + each for each in texts)


def wrapped_key(above: bytes, key: bytes, place: bytes) -> bytes:
    """A key that only who has the key above it can use."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_derived(above, b"wrap")).encrypt(nonce, key, place)


def unwrapped_key(above: bytes, wrapped: bytes, place: bytes) -> bytes:
    """The key again; raises cryptography's `InvalidTag` where it was wrapped otherwise."""
    nonce, data = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
    if len(nonce) < NONCE_BYTES:
        raise InvalidTag  # As for whatever else is cut short.
    return AESGCM(_derived(above, b"wrap")).decrypt(nonce, data, place)


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: HKDF-Expand of RFC 5869 for one block, for the key is of chance."""
    return _mac(key, b"flumina secrets 1 " + purpose + b"\x01")


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


assert len(digest_of("")) == TENANT_CHARACTERS
