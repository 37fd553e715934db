"""An identity that a task can show: signed, for a few minutes, for one audience.

The one thing to know: only a task whose job names an audience gets one, and only for that audience.
What is signed is what the host was told of the task, never what the task says of itself. Whoever
checks needs the public keys (`KeyRing.public`) and `verified`; the algorithm is fixed, so that a
token cannot choose how it is checked.
"""

import base64
import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.metadata.facts import TaskFacts
from scheduler.model.reading.bad_bytes import BAD_BYTES

ALGORITHM: Final = "ES256"
LIFETIME_S: Final = 900
"""A stolen one is of no use after it; the task asks again."""
SKEW_S: Final = 60
"""How far the clocks of two hosts may be apart."""
ISSUER: Final = "flumina"
KEYS_MAX: Final = 8
TOKEN_CHARACTERS_MAX: Final = 16 * 1024
"""Ours have less than a thousand."""
SUBJECT_BEGINS: Final = "flumina:task:"


class NotIdentified(Exception):
    """A token that proves nothing; the text says why."""


class TaskIdentity(msgspec.Struct, frozen=True):
    """What a token proves."""

    task_id: str
    job_id: str
    owner: str
    application: str
    host: str
    audience: str
    expires_at_s: int


class _Claims(msgspec.Struct, frozen=True):
    """What a token of ours says, as `KeyRing.issued` writes it."""

    sub: str
    exp: int
    nbf: int
    task: str
    job: str
    owner: str
    application: str
    host: str

    def texts(self) -> tuple[str, ...]:
        """What it names."""
        return self.task, self.job, self.owner, self.application, self.host


class KeyRing:
    """Keys of a directory: the newest signs, all of them prove. Made where there is none."""

    def __init__(self, directory: Path) -> None:
        """Read the keys, PEM files readable by their owner only; raises OSError, ValueError."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not list(directory.glob("*.pem")):
            self.add()
        self._keys = self._read()

    def add(self) -> None:
        """Make another key, which signs from the next start on; the others still prove."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        number = len(list(self._directory.glob("*.pem"))) + 1
        path = self._directory / f"key-{number:04}.pem"
        whole = self._directory / f".key-{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(whole, flags, 0o600), "wb") as file:
            file.write(pem)
        # By a link: nobody reads half a key, and of two agents that begin at once one is faster,
        # whose key is as good.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(whole)
        whole.unlink()

    def _read(self) -> list[tuple[str, ec.EllipticCurvePrivateKey]]:
        found = []
        for path in sorted(self._directory.glob("*.pem"))[-KEYS_MAX:]:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{path} holds no elliptic-curve key")  # noqa: TRY004 - of a file
            found.append((_thumbprint(key.public_key()), key))
        return found

    def issued(self, facts: TaskFacts, audience: str, now_s: int) -> str:
        """A token of this task for the audience; raises `NotIdentified` where it gets none."""
        if audience not in facts.audiences:
            raise NotIdentified(f"the job of {facts.task_id} names no audience {audience!r}")
        key_id, key = self._keys[-1]
        claims = {
            "iss": ISSUER,
            "sub": SUBJECT_BEGINS + facts.task_id,
            "aud": audience,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + LIFETIME_S,
            "task": facts.task_id,
            "job": facts.job_id,
            "owner": facts.owner,
            "application": facts.application,
            "host": facts.host,
        }
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id})

    def public(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set, for whoever checks."""
        return {"keys": [_public(key_id, key.public_key()) for key_id, key in self._keys]}


def verified(
    token: str, keys: Mapping[str, Sequence[Mapping[str, Any]]], audience: str, now_s: float
) -> TaskIdentity:
    """What the token proves to this audience; raises `NotIdentified`."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise NotIdentified(f"the token is longer than {TOKEN_CHARACTERS_MAX} characters")
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        found = [each for each in keys["keys"] if each["kid"] == key_id]
        if len(found) != 1:
            raise NotIdentified("the token names no key that is known")
        told = jwt.decode(
            token,
            jwt.PyJWK(dict(found[0]), algorithm=ALGORITHM),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            # Times are compared below, by the clock that we were given.
            options={
                "require": ["exp", "nbf", "iat", "sub", "aud", "iss"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        claims = msgspec.convert(told, _Claims)
    except (jwt.PyJWTError, *BAD_BYTES) as error:
        raise NotIdentified(f"the token proves nothing: {error}") from error
    if now_s > claims.exp + SKEW_S:
        raise NotIdentified("the token has expired")
    if now_s < claims.nbf - SKEW_S:
        raise NotIdentified("the token is not valid yet")
    if not "".join(claims.texts()).isprintable():
        raise NotIdentified("the token names what is no name")
    if claims.sub != SUBJECT_BEGINS + claims.task:
        raise NotIdentified("the token names two tasks")
    return TaskIdentity(
        task_id=claims.task,
        job_id=claims.job,
        owner=claims.owner,
        application=claims.application,
        host=claims.host,
        audience=audience,
        expires_at_s=claims.exp,
    )


def _public(key_id: str, key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": key_id,
        "x": _base64(numbers.x.to_bytes(32, "big")),
        "y": _base64(numbers.y.to_bytes(32, "big")),
    }


def _thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638: the same key has the same name everywhere."""
    told = _public("", key)
    text = f'{{"crv":"P-256","kty":"EC","x":"{told["x"]}","y":"{told["y"]}"}}'
    return _base64(hashlib.sha256(text.encode()).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
