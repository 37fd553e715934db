"""Signed tokens (JWT) of an identity provider, as OpenID Connect has them.

The one thing to know: the algorithms are pinned to asymmetric ones, and each key verifies only its
own: a token that says ``none``, or that is signed with the public key as a secret, is refused.
"""

from typing import Any, Final, NamedTuple

from connectors.access.keys import Keys, NoKeys

ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
SKEW_S: Final = 60
"""Two clocks may differ by so much."""
EXPIRES_S_MAX: Final = 253_402_300_799
"""The end of the year 9999, behind which nothing here reckons."""
TOKEN_BYTES_MAX: Final = 16 * 1024
GROUPS_MAX: Final = 1_000
REQUIRED: Final = ("exp", "iss", "aud", "sub")


class Issuer(NamedTuple):
    """Whose tokens count, for whom, and which claim has the groups."""

    name: str
    audience: str
    groups_claim: str = "groups"


class Claims(NamedTuple):
    """What a token says of who has it."""

    subject: str
    groups: tuple[str, ...]
    expires_at_ms: int


class NotSigned(Exception):
    """A token that does not count; the text says why, and nothing of what is in it."""


class Signed:
    """Reads tokens of one issuer."""

    def __init__(self, issuer: Issuer, keys: Keys) -> None:
        self._issuer, self.keys = issuer, keys

    async def claims(self, token: str) -> Claims:
        """What the token says; raises `NotSigned`, and `NoKeys` where nobody can tell."""
        import jwt  # noqa: PLC0415 - only who admits by signed tokens pays for it

        if len(token) > TOKEN_BYTES_MAX:
            raise NotSigned(f"it is longer than {TOKEN_BYTES_MAX} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise NotSigned("it is no signed token") from error
        algorithm, id_ = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise NotSigned(f"its algorithm is none of {', '.join(sorted(ALGORITHMS))}")
        if not isinstance(id_, str) or not id_:
            raise NotSigned("it does not name its key (kid)")
        key = await self.keys.key(id_)
        if key is None:
            raise NotSigned("it names a key that its issuer does not have")
        if key.algorithm_name != algorithm and not _is_same_family(key.algorithm_name, algorithm):
            raise NotSigned("its algorithm is not its key's")
        try:
            found = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._issuer.audience,
                issuer=self._issuer.name,
                leeway=SKEW_S,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise NotSigned(_WHY.get(type(error).__name__, "its signature or form is wrong")) from (
                error
            )
        return self._read(found)

    def _read(self, found: dict[str, Any]) -> Claims:
        subject, groups = found["sub"], found.get(self._issuer.groups_claim, [])
        if not isinstance(subject, str) or not subject.strip() or not subject.isprintable():
            raise NotSigned("its subject is no name")
        named = groups if isinstance(groups, list) else [groups]
        texts = tuple(each for each in named[:GROUPS_MAX] if isinstance(each, str) and each)
        return Claims(subject[:200], texts, min(int(found["exp"]), EXPIRES_S_MAX) * 1_000)


def _is_same_family(of_key: str, algorithm: str) -> bool:
    """An RSA key that names no algorithm is taken for RS256, and verifies the others of RSA."""
    rsa = ("RS", "PS")
    return of_key == "RS256" and algorithm.startswith(rsa)


_WHY: Final = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it does not count yet",
    "InvalidIssuedAtError": "it does not count yet",
    "InvalidAudienceError": "it is for another audience",
    "InvalidIssuerError": "it is of another issuer",
    "MissingRequiredClaimError": f"it lacks one of {', '.join(REQUIRED)}",
    "InvalidSignatureError": "its signature is wrong",
}

__all__ = ["ALGORITHMS", "Claims", "Issuer", "NoKeys", "NotSigned", "Signed"]
