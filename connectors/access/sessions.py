"""Logins of pages: a cookie that says nothing, and behind it the token, in memory for some hours.

The one thing to know: a page never holds the token, so nothing that runs in it can take it away. A
restart of the process ends all logins.
"""

import secrets
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

COOKIE: Final = "flumina_session"
SESSIONS_MAX: Final = 10_000
CONSOLE: Final = b"x-flumina-console"
"""The header that a page of ours sends with each write; another origin's cannot."""
_ID_CHARACTERS_MAX: Final = 128


class _Session(NamedTuple):
    token: str
    until_s: float


class Sessions:
    """The logins of one process."""

    def __init__(
        self,
        life_s: int,
        now_s: Callable[[], float] = time.monotonic,
        *,
        is_secure: bool = False,
    ) -> None:
        """``is_secure``: pages come by TLS, so the cookie goes by nothing else."""
        self.life_s, self._now_s, self._is_secure = life_s, now_s, is_secure
        self._sessions: dict[bytes, _Session] = {}
        """By the digest of the id; in the order in which they began."""

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, token: str) -> str:
        """The id of a new login with this token; the oldest one ends where there are too many."""
        self._forget()
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        id_ = secrets.token_urlsafe(32)
        self._sessions[_digest(id_)] = _Session(token, self._now_s() + self.life_s)
        return id_

    def token(self, id_: str) -> str:
        """The token of a login; empty where it has ended or never was."""
        found = self._sessions.get(_digest(id_))
        return found.token if found is not None and found.until_s > self._now_s() else ""

    def end(self, id_: str) -> None:
        """End a login; again is nothing."""
        self._sessions.pop(_digest(id_), None)

    def cookie(self, id_: str) -> str:
        """The header ``Set-Cookie`` of a login, or of its end where the id is empty."""
        life_s, secure = self.life_s if id_ else 0, "; Secure" if self._is_secure else ""
        return f"{COOKIE}={id_}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life_s}{secure}"

    def _forget(self) -> None:
        now_s = self._now_s()
        # All live as long, so those behind the first that lives began later.
        while self._sessions and next(iter(self._sessions.values())).until_s <= now_s:
            del self._sessions[next(iter(self._sessions))]


def _digest(id_: str) -> bytes:
    # Looked up by its digest, an id cannot be guessed byte by byte from how long that takes.
    return blake2b(id_[:_ID_CHARACTERS_MAX].encode("utf-8", "replace"), digest_size=24).digest()


def id_of(cookie: str) -> str:
    """The login's id in a header ``Cookie``; empty where there is none."""
    for each in cookie.split(";"):
        name, _, value = each.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
