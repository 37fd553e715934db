"""Variables that look like secrets and are not marked as such: by their names, or by their values.

The one thing to know: a guess names the variable and never shows its value. It is a help, not a
lock: what is marked is sealed, whatever this says, and what a guess misses is not.
"""

import math
import re
from collections import Counter
from typing import Final, Literal, get_args

from projections.masking import Masker
from scheduler.model.job import Container
from scheduler.model.sealed import is_sealed, is_secret, secret_names

Detection = Literal["off", "warn", "refuse"]
"""What may be done about variables that look secret and are not marked."""
DETECTIONS: Final = get_args(Detection)
NAMES_SHOWN_MAX: Final = 10
KNOWN_CHARACTERS_MIN: Final = 8
"""An address with a password is the shortest of the known forms."""
VALUE_CHARACTERS_MIN: Final = 20
"""Shorter values have too few characters to tell chance from words by."""
VALUE_CHARACTERS_MAX: Final = 512
"""Of a value, its first: keys and tokens are told by fewer."""
BITS_MIN: Final = 3.6
"""Per character, of the value's own distribution. Of 20 characters drawn from base64's 64 this is
above 3.6 nearly always (their mean is 4.05); English words and dotted names are mostly below it,
and what has blanks, slashes as in paths, or no digit is not looked at."""
_ONE_WORD: Final = re.compile(r"[A-Za-z0-9+_.=-]+(?:/[A-Za-z0-9+_=-]+)*={0,2}")
_KNOWN: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[opsur]_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
    r"|://[^\s/:@]{1,200}:[^\s/@]{1,200}@"
)
"""Private keys, AWS' access keys, tokens of GitHub and Slack, JWTs, passwords in addresses."""
_HARMLESS: Final = re.compile(
    r"(?:sha\d+:)?[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
"""Digests and UUIDs: names of things much more often than secrets."""


def unmarked_secrets(container: Container, masker: Masker) -> tuple[str, ...]:
    """The variables that look secret, are not marked, and are not sealed."""
    if not container.environment:
        return ()
    marked = secret_names(container.attributes)
    return tuple(
        name
        for name, value in container.environment
        if value
        and not is_secret(name, marked)
        and not is_sealed(value)
        and (masker.is_secret(name) or looks_secret(value))
    )


def looks_secret(value: str) -> bool:
    """Whether a value looks like a key or a token, by its form or by how even its characters are.

    A path, a digest, a UUID and a sentence do not.
    """
    begin = value[:VALUE_CHARACTERS_MAX]
    if len(begin) < KNOWN_CHARACTERS_MIN:
        return False
    if _KNOWN.search(begin):
        return True
    if len(begin) < VALUE_CHARACTERS_MIN or not _ONE_WORD.fullmatch(begin):
        return False
    if _HARMLESS.fullmatch(begin) or begin.count(".") > 2 or begin.count("/") > 3:
        return False
    kinds = (str.isdigit, str.islower, str.isupper)
    if not all(any(map(kind, begin)) for kind in kinds):
        return False
    return _bits_of(begin) >= BITS_MIN


def _bits_of(text: str) -> float:
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
