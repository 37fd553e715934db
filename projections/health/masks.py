"""What varies in a log line is masked, by form alone: a pure function from a line to its template.

The one thing to know: nothing is learned here and nothing is known of any program. A word varies
if it has a digit, or the form of an address, a path, a name with dots or a time; or if it stands
where values stand: behind ``key=``, and behind the words of `NAMING` and `REFERRING`. States in
capitals and names of exceptions stay, because a line with another one is another message.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

MASK: Final = "<*>"
LINE_CHARACTERS_MAX: Final = 8_192
"""What stands behind these, from the last whole word on, is no part of the template."""

_DIGITS: Final = bytes(0x30 if 0x30 <= each <= 0x39 else each for each in range(256))
_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?"
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
# The last label of a host's name. Two letters are a country's, of which there are some 250.
_TOP: Final = (
    "(?:com|net|org|edu|gov|mil|int|info|biz|arpa|local|lan|internal|localdomain|[a-z]{2})"
)
_CHARACTER: Final = r"A-Za-z0-9_$@#%*+~\-"
_NO_DIGIT: Final = r"A-Za-z_$@#%*+~\-"
_DATE: Final = (
    rf"\b(?:{_DAY},?\s+)?(?:\d+\s+)?{_MONTH}\s+\d+(?:,?\s+\d+:\d+(?:[:.,]\d+)*)?"
    r"(?:\s+[A-Z]{2,4}(?=\s+\d))?(?:,?\s+\d+)?\b"
)
_HOST: Final = (
    r"(?<![A-Za-z0-9_.\-])(?:[A-Za-z0-9](?:[A-Za-z0-9_\-]*[A-Za-z0-9])?\.)+"
    rf"{_TOP}\.?(?::\d+)?(?![A-Za-z0-9_\-]|\.[A-Za-z0-9])"
)
# Two dots or more, as in names of classes and packages; an exception's name says what broke.
_DOTTED: Final = (
    r"(?<![A-Za-z0-9_.$])(?:[A-Za-z_$][A-Za-z0-9_$\-]*+\.){2,}+"
    r"(?!\w*(?:Exception|Error)\b)[A-Za-z_$][A-Za-z0-9_$\-]*+(?!\.[A-Za-z0-9])"
)
# More than one dot in a row is a leader, and no part of a word.
_WITH_DIGIT: Final = (
    rf"(?<![{_CHARACTER}])(?<![{_CHARACTER}]\.)(?=(?:[{_NO_DIGIT}]++\.)*+[{_NO_DIGIT}]*+\d)"
    rf"[{_CHARACTER}]++(?:\.[{_CHARACTER}]++)*+"
)
# Every alternative begins only where a run of its characters begins, so a hostile line costs time
# in proportion to its length and not to its square.
_VARYING: Final = re.compile(
    "|".join(
        (
            _DATE,
            rf"\b{_DAY}\b(?=,?\s+\d)",
            # Addresses of pages, of people, of files there and here
            r"(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]*+://[^\s,;)\]}>\"']++",
            r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+",
            r"(?<![A-Za-z0-9])[A-Za-z]:\\[^\s,;)\]}>\"']*+",
            r"(?:(?<=[\s=:,(\[\"'<])|^)(?:~|\.{1,2})?/[^\s,;:)\]}>\"'=]*+",
            _HOST,
            _DOTTED,
            # One word in quotes
            r"\"[^\"\s]*+\"",
            r"(?<![A-Za-z0-9])'[^'\s]*+'(?![A-Za-z0-9])",
            # Times, addresses of network cards, IPv6
            r"(?<![A-Za-z0-9:])(?:[0-9A-Fa-f]*+:){2,}+[0-9A-Fa-f.]*[0-9A-Fa-f](?![A-Za-z0-9:])",
            _WITH_DIGIT,
            # Eight hexadecimal digits, which can be letters alone
            r"\b[0-9A-Fa-f]{8,}+\b",
        )
    )
)
# A quantity is one value with its unit, which changes with its size: 900 ms and 1.2 s, <1 sec.
_QUANTITY: Final = re.compile(
    r"(?:(?<=\s)[<>~] ?)?<\*> ?(?:[KMGTP]?i?B|kB|[KMG]?Hz|[mnu\u00b5]?s|secs?|seconds?|mins?"
    r"|minutes?|hours?|days?)\b(?![\w(])|(?<=\s)[<>~] ?<\*>"
)
_EMPTY: Final = re.compile(r"(?<![^\s,;:=])\(\s*\)")
_LIST: Final = re.compile(r"<\*>(?:[\s,;:/|.\-x+=]*<\*>)+")
_TOKEN: Final = re.compile(r"<\*>|[A-Za-z_][A-Za-z0-9_\-]*| |.")

NAMING: Final = frozenset({"user"})
"""The next word is somebody's name."""
REFERRING: Final = frozenset({"for", "from", "by"})
"""The next word is most often a name: for whom, from where, by whom."""
_NO_NAMES: Final = frozenset(
    {
        *("a", "all", "an", "and", "any", "are", "has", "have", "id", "in", "is", "it", "its"),
        *("my", "no", "not", "of", "on", "or", "request", "that", "the", "this", "to"),
        *("unknown", "was", "with", "your"),
    }
)


def without_digits(line: str) -> bytes:
    """The line with each run of digits as one ``0``: equal for most lines of one template.

    Masks see a line only like this, so lines that are equal here have the same template.
    """
    if len(line) > LINE_CHARACTERS_MAX:
        line = line[:LINE_CHARACTERS_MAX].rpartition(" ")[0] or line[:LINE_CHARACTERS_MAX]
    key = line.encode("utf-8", "replace").translate(_DIGITS)
    while b"00" in key:
        key = key.replace(b"00", b"0")
    return key


def all_without_digits(lines: Sequence[str], block: bytes) -> list[bytes]:
    """The same for many lines, which ``block`` holds with a line feed between; five times faster.

    A line feed within a line would be taken for an end of one; there must be none.
    """
    if not lines or max(map(len, lines)) > LINE_CHARACTERS_MAX:
        return [without_digits(each) for each in lines]
    digits = np.frombuffer(block.translate(_DIGITS), np.uint8)
    is_digit = digits == 0x30
    is_kept = np.ones(len(digits), np.bool_)
    is_kept[1:] = ~(is_digit[1:] & is_digit[:-1])
    return digits[is_kept].tobytes().split(b"\n")


def masked(line: str) -> str:
    """The line with everything masked that varies by its own form; space made single."""
    found = _QUANTITY.sub(MASK, " ".join(_VARYING.sub(MASK, line).split()))
    # `()` alone is a value that was not there: the name of a host that has none.
    return _LIST.sub(MASK, _EMPTY.sub(f"({MASK})", found))


def tokens_of(template: str) -> list[str]:
    """Words, masks, spaces and single other characters; joined they are the template again."""
    return _TOKEN.findall(template)


def is_word(token: str) -> bool:
    """Whether a token of a template is a word that could be a value."""
    return token[0].isalpha() or token[0] == "_"


def generalised(found: str) -> str:
    """The template of a masked line: values are masked that have the form of words."""
    tokens = tokens_of(found)
    words = [place for place, text in enumerate(tokens) if not text.isspace()]
    is_value = False
    for number in range(1, len(words)):
        place, before = words[number], words[number - 1]
        following = tokens[words[number + 1]] if number + 1 < len(words) else ""
        is_value = (
            not is_value
            and is_word(tokens[place])
            and _takes_value(tokens, before, place, following.lower())
        )
        if is_value:
            tokens[place] = MASK
    return _LIST.sub(MASK, "".join(tokens))


def _takes_value(tokens: list[str], before: int, place: int, following: str) -> bool:
    """Whether the word at this place is a value, by what stands before it."""
    word, key = tokens[place], tokens[before].lower()
    is_apart = place - before > 1
    if key == "=":
        # `key= other=1` has no value; `key = value` has one. A state in capitals is no value.
        is_empty = is_apart and tokens[before - 1] != " "
        return not is_empty and not word.isupper()
    if not is_apart or word.lower() in _NO_NAMES:
        return False
    if key in NAMING:
        return True
    is_other = word.isupper() or word.lower() in NAMING or following in NAMING
    return key in REFERRING and not is_other
