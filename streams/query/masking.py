"""Masking of secrets in events, before a query sees them.

The one thing to know: a query may rename what it selects, and then no name says any more that a
value is secret. So events are masked as they are decoded, and conditions cannot find out what a
value is. Records without any word that could be a secret's name are not looked through.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from projections.masking import ENVIRONMENT_KEYS, Masker

ALWAYS: Final = (*sorted(ENVIRONMENT_KEYS), "environment_variables", "://")


class EventMasker:
    """Masks events by the installation's patterns of names."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._masker = Masker(patterns)
        words = [_stem(each) for each in patterns]
        whole = "|".join(sorted({*map(re.escape, ALWAYS), *words}))
        # A pattern of nothing but stars fits every name: then every record is looked through.
        self._may_be = re.compile("" if "" in words else whole, re.IGNORECASE)

    def masked(self, value: bytes, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events of a record with what is secret masked; ``value`` are the record's bytes."""
        if self._may_be.search(value.decode("utf-8", "replace")) is None:
            return events
        return [self._masker.value(each) for each in events]


def _stem(pattern: str) -> str:
    """The longest text that is in every name that the pattern fits, as a regular expression."""
    longest = max(re.split(r"[*?]|\[[^\]]*\]", pattern), key=len)
    return re.sub(r"(?:\\?[_.\- ])", "[-_. ]", re.escape(longest))
