"""Who asks: from what a request shows to a principal.

The one thing to know: a proof that was looked at is remembered for some seconds by its digest, so
that a request costs microseconds; never for longer than the proof, its keys or the file last.
"""

import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

from connectors.access.book import TOKEN_PREFIX, Book
from connectors.access.certificates import Trust, peer_of
from connectors.access.keys import NoKeys
from connectors.access.principals import Principal
from connectors.access.signed import NotSigned, Signed
from connectors.access.watched import Watched

REMEMBERED_S: Final = 15.0
REMEMBERED_MAX: Final = 10_000


class Proof(NamedTuple):
    """What a request shows of who asks."""

    token: str = ""
    """Of ``Authorization: Bearer``; empty where there is none."""
    certificate: bytes = b""
    """In DER, verified by the handshake."""
    acting_for: str = ""
    """Whom a delegate asks for."""


class NotAdmitted(Exception):
    """Nobody that we know; the text says what is wrong with the proof, and not what it was."""

    def __init__(self, code: str, text: str, *, is_later: bool = False) -> None:
        super().__init__(text)
        self.code, self.text = code, text
        self.is_later = is_later
        """Whether it may well be right, and nobody can tell at the moment."""


class _Known(NamedTuple):
    principal: Principal
    until_s: float
    generations: tuple[int, int]


class Authentication:
    """All ways to prove who one is, of one process."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        *,
        book: Watched[Book] | None = None,
        signed: Signed | None = None,
        trust: Watched[Trust] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now_ms, self._now_s = now_ms, now_s
        self._book, self._signed, self._trust = book, signed, trust
        self._known: dict[bytes, _Known] = {}

    async def principal(self, proof: Proof) -> Principal:
        """Who asks; raises `NotAdmitted`."""
        shown = f"{proof.token}\0{proof.acting_for}\0".encode() + proof.certificate
        key = blake2b(shown, digest_size=24).digest()
        now_s, generations = self._now_s(), self._generations()
        known = self._known.get(key)
        if known is not None and known.until_s > now_s and known.generations == generations:
            return known.principal
        found = await self._looked_up(proof)
        self._remember(key, found, now_s, generations)
        return found

    async def still(self, proof: Proof) -> bool:
        """Whether the proof would be taken now; for what goes on for long."""
        try:
            await self.principal(proof)
        except NotAdmitted:
            return False
        return True

    def _generations(self) -> tuple[int, int]:
        """How often the files were read; looks whether they have changed."""
        found = []
        for each in (self._book, self._trust):
            if each is not None:
                each.value()
            found.append(each.generation if each is not None else 0)
        return found[0], found[1]

    def _remember(
        self, key: bytes, found: Principal, now_s: float, generations: tuple[int, int]
    ) -> None:
        until_s = now_s + REMEMBERED_S
        if found.expires_at_ms is not None:
            until_s = min(until_s, now_s + (found.expires_at_ms - self._now_ms()) / 1_000)
        if self._signed is not None:
            until_s = min(until_s, max(now_s, self._signed.keys.until_s))
        self._known.pop(key, None)
        while len(self._known) >= REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[key] = _Known(found, until_s, generations)

    async def _looked_up(self, proof: Proof) -> Principal:
        found = await self._shown(proof)
        if not proof.acting_for:
            return found
        if not found.is_delegate:
            raise NotAdmitted("delegate", f"{found.name} may ask for nobody else")
        other = self._book.value().of_name(proof.acting_for, self._now_ms()) if self._book else None
        if other is None:
            raise NotAdmitted("delegate", "whom it is asked for is nobody here")
        # Who is asked for asks for nobody else: the chain ends here.
        return Principal(other.name, other.grants, False, other.expires_at_ms, found.name)

    async def _shown(self, proof: Proof) -> Principal:
        if proof.token.startswith(TOKEN_PREFIX) or (proof.token and self._signed is None):
            found = self._book.value().of_token(proof.token, self._now_ms()) if self._book else None
            if found is None:
                raise NotAdmitted("token", "the token is not known here, or has expired")
            return found
        if proof.token:
            return await self._of_signed(proof.token)
        if proof.certificate:
            return self._of_certificate(proof.certificate)
        raise NotAdmitted("none", "nothing says who asks")

    async def _of_signed(self, token: str) -> Principal:
        assert self._signed is not None
        try:
            claims = await self._signed.claims(token)
        except NotSigned as error:
            raise NotAdmitted("token", f"the token is not taken: {error}") from error
        except NoKeys as error:
            text = f"the token cannot be checked: {error}"
            raise NotAdmitted("keys", text, is_later=True) from error
        book = self._book.value() if self._book else Book()
        found = book.of_subject(claims.subject, claims.groups, self._now_ms())
        ends = [each for each in (found.expires_at_ms, claims.expires_at_ms) if each is not None]
        return Principal(found.name, found.grants, found.is_delegate, min(ends))

    def _of_certificate(self, der: bytes) -> Principal:
        try:
            peer = peer_of(der)
        except ValueError as error:
            raise NotAdmitted("certificate", "the certificate cannot be read") from error
        if self._trust is not None and not self._trust.value().counts(peer):
            raise NotAdmitted("certificate", "the certificate was revoked, or nobody trusts it")
        now_ms = self._now_ms()
        if peer.expires_at_ms <= now_ms:
            raise NotAdmitted("certificate", "the certificate has expired")
        found = self._book.value().of_certificate(peer.names, now_ms) if self._book else None
        if found is None:
            raise NotAdmitted("certificate", "nobody here has a certificate of these names")
        ends = [each for each in (found.expires_at_ms, peer.expires_at_ms) if each is not None]
        return Principal(found.name, found.grants, found.is_delegate, min(ends))
