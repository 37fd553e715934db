"""Patterns of ``==~``: whole strings, in time linear in their length.

The one thing to know: a stranger's pattern never reaches Python's `re`. Most are words with
``.*`` about them and need no engine; the others are compiled by RE2, which refuses what could
take for ever (look-around and back-references).
"""

import re
from collections.abc import Callable
from typing import Final

import re2

from projections.query.limits import PATTERN_BYTES_MAX, PATTERN_CHARACTERS_MAX

Test = Callable[[str], bool]

PLAIN: Final = re.compile(
    r"(?P<left>\.\*)?(?P<word>[\w \-/:@#%&,;=<>!\"'`~]*)(?P<right>\.\*)?", re.ASCII
)
"""Only letters, digits and signs that stand for themselves."""
WORDS: Final = re.compile(r"\.\*\((?P<words>[\w \-]+(?:\|[\w \-]+)*)\)\.\*", re.ASCII)


LITERAL: Final = re.compile(r"(?:[\w \-/:@#%&,;=<>!\"'`~]|\\\.)*", re.ASCII)
"""Such a pattern is one string."""


class PatternError(ValueError):
    """A pattern that cannot be compiled; says why, and where in a query it stands."""

    position = 0


def test_of(pattern: str) -> Test:
    """A function that tells whether the whole of a string is as the pattern says.

    A dot stands for every character, line ends as well. Raises `PatternError`.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        what = f"The pattern has {len(pattern)} characters; {PATTERN_CHARACTERS_MAX} are the most"
        raise PatternError(what)
    plain = PLAIN.fullmatch(pattern)
    if plain is not None:
        return _plain(plain["word"], is_left=bool(plain["left"]), is_right=bool(plain["right"]))
    words = WORDS.fullmatch(pattern)
    if words is not None:
        return _any_of(tuple(words["words"].split("|")))
    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    options.dot_nl = True
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise PatternError(
            f"The pattern /{pattern}/ cannot be used: {told}. Patterns take linear time, so "
            "look-around and back-references are not known"
        ) from None

    def matches(text: str) -> bool:
        # RE2 reads UTF-8, which lone surrogates do not have.
        return compiled.fullmatch(text.encode("utf-8", "replace")) is not None

    return matches


def is_literal(pattern: str) -> bool:
    """Whether the pattern stands for one string alone."""
    return LITERAL.fullmatch(pattern) is not None


def _plain(word: str, *, is_left: bool, is_right: bool) -> Test:
    if is_left and is_right:
        return lambda text: word in text
    if is_left:
        return lambda text: text.endswith(word)
    if is_right:
        return lambda text: text.startswith(word)
    return lambda text: text == word


def _any_of(words: tuple[str, ...]) -> Test:
    return lambda text: any(word in text for word in words)
