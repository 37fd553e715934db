"""Masking of secrets in events, before a query sees them.

The one thing to know: a query may rename what it selects, and then no name says any more that a
value is secret. So events are masked as they are decoded, and conditions cannot find out what a
value is. Records without any word that could be a secret's name are not looked through.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from projections.masking import ENVIRONMENT_KEYS, Masker

ADDRESS: Final = b"://"
"""Addresses may have a password in them."""
ESCAPED: Final = b"\\u"
"""JSON may write any letter of a name so."""
_COMPARED: Final = bytes(
    ord("_") if chr(code) in "-. " else ord(chr(code).lower()) if code < 128 else code
    for code in range(256)
)
"""Names as `projections.masking` compares them: in lower case, with ``_`` for ``-``, ``.``, " "."""


class EventMasker:
    """Masks events by the installation's patterns of names."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._masker = Masker(patterns)
        words = {_part(each) for each in (*patterns, *ENVIRONMENT_KEYS)} | {ADDRESS, ESCAPED}
        # What has another one in it is found with it.
        self._parts = sorted(
            each for each in words if not any(other != each and other in each for other in words)
        )

    def masked(self, value: bytes, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events of a record with what is secret masked; ``value`` are the record's bytes."""
        text = value.translate(_COMPARED)
        for part in self._parts:
            if part in text:
                return [dict(self._masker.value(each)) for each in events]
        return events


def _part(pattern: str) -> bytes:
    """The longest text that is in every name that the pattern fits; empty where there is none."""
    parts = re.split(r"[*?]|\[[^\]]*\]", pattern)
    return max(parts, key=len).encode().translate(_COMPARED)
