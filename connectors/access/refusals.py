"""Refused requests: counted, and told to the log at a bounded rate, never with what was shown.

The one thing to know: one who is refused a thousand times a second makes one line a second, which
says how many more there were.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

LINE_S: Final = 1.0
"""Between two lines of the log."""


class Refusals:
    """The books of one door."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.counted: Counter[str] = Counter()
        """By code: token, certificate, keys, role, cell, scope, unlisted, origin."""
        self._now_s = now_s
        self._said_s = float("-inf")
        self._unsaid = 0

    def note(self, code: str, *, who: str, address: str, method: str, path: str, why: str) -> None:
        """One more; ``who`` is a principal's name, or empty."""
        self.counted[code] += 1
        now_s = self._now_s()
        if now_s - self._said_s < LINE_S:
            self._unsaid += 1
            return
        self._said_s, unsaid, self._unsaid = now_s, self._unsaid, 0
        logger.warning(
            "request refused",
            code=code,
            principal=who,
            address=address,
            method=method,
            path=path[:200],
            why=why,
            unsaid=unsaid,
        )
