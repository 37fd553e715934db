"""Credentials of one task's role: asked for once, kept, and renewed before they end.

The one thing to know: a renewal that fails costs nothing while the old ones last; after that there
are none, and the answer says so. Nobody is ever given the host's own credentials.
"""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

LIFETIME_S: Final = 3_600
"""What is asked of STS; a role may allow less, and then tells when it ends."""
RENEW_BEFORE_S: Final = 900
"""boto3 renews advisedly 15 minutes before the end, so what it is given lasts longer than that."""
RETRY_AFTER_S: Final = 30
"""After a refusal: AWS throttles, and a role that is not granted stays so for a while."""
SESSION_CHARACTERS_MAX: Final = 64
"""Of AWS."""


class Credentials(msgspec.Struct, frozen=True):
    """Temporary credentials of a role."""

    access_key: str
    secret_key: str
    token: str
    expires_at_s: float

    def __repr__(self) -> str:
        return f"<credentials {self.access_key} until {self.expires_at_s:.0f}>"


class RoleNotGranted(Exception):
    """The role is not given to us for this task; the text is AWS' reason."""


class Assume(Protocol):
    """Whoever turns a role into credentials."""

    def __call__(self, role_arn: str, session: str, lifetime_s: int) -> Credentials:
        """Credentials; raises `RoleNotGranted`."""


class RoleCredentials:
    """The credentials of one role for one task."""

    def __init__(
        self, role_arn: str, session: str, assume: Assume, now_s: Callable[[], float]
    ) -> None:
        self._role_arn = role_arn
        self._session = session_name(session)
        self._assume = assume
        self._now_s = now_s
        self._lock = threading.Lock()
        self._kept: Credentials | None = None
        self._assumed_at_s = 0.0
        self._refusal: RoleNotGranted | None = None
        self._refused_at_s = float("-inf")

    def current(self) -> tuple[Credentials, float]:
        """Credentials that last, and when they were asked for; raises `RoleNotGranted`."""
        # Several clients of the task may ask at once; AWS is asked by one of them.
        with self._lock:
            return self._current()

    def _current(self) -> tuple[Credentials, float]:
        now_s = self._now_s()
        kept = self._kept
        if kept is not None and kept.expires_at_s - now_s > RENEW_BEFORE_S:
            return kept, self._assumed_at_s
        if now_s - self._refused_at_s >= RETRY_AFTER_S:
            try:
                kept = self._kept = self._assume(self._role_arn, self._session, LIFETIME_S)
            except RoleNotGranted as error:
                self._refusal, self._refused_at_s = error, now_s
            else:
                self._assumed_at_s = now_s
        if kept is not None and kept.expires_at_s > now_s:
            return kept, self._assumed_at_s
        raise RoleNotGranted(str(self._refusal))


def session_name(task_id: str) -> str:
    """The task's id as AWS takes a session's name: it stands in every entry of CloudTrail."""
    allowed = "".join(each if each.isalnum() or each in "_=,.@-" else "-" for each in task_id)
    return allowed[-SESSION_CHARACTERS_MAX:].rjust(2, "-")
