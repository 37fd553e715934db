"""Which lines match which patterns: all patterns at once over a block of a thousand lines.

The one thing to know: Hyperscan only says where to look. It reads a block as one text, where a
pattern may run across a line's end; whether a line matches is RE2's word, with and without
Hyperscan. Where a pattern cannot match a line feed, Hyperscan's word is the same and is taken.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol

from projections.health.rules import compiled

try:
    import hyperscan
except ImportError:  # There are wheels of it for two kinds of processors only.
    HAS_HYPERSCAN = False
else:
    HAS_HYPERSCAN = True
# Whatever could match a line feed, or change what the rest means.
_ACROSS: Final = re.compile(r"\\[^.dwbB\[\](){}*+?|/$^-]|\[\^|\[\[|\(\?(?!:|i\))|\n|\r")
# What speaks of a whole text's ends or of kinds of characters means something else in a block.
_OF_ONE_TEXT: Final = re.compile(r"\\[AzZCpPQ]|[^\x00-\x7f]")
# Hyperscan misses some matches within a text's last bytes where it looks for several patterns. Of
# 24,000 random blocks 30 were read wrongly with one byte more, and none with 16.
_BEHIND: Final = b"\n" * 64
_TAIL: Final = re.compile(r"(?<!\\)\.\*\$?$")


class Match(NamedTuple):
    """One line that one pattern matches, by their places."""

    pattern: int
    line: int


class Matcher(Protocol):
    """Finds all matches in a block of lines."""

    def matches(self, lines: Sequence[str], block: bytes) -> list[Match]:
        """All of them, by line and then by pattern; ``block`` is the lines with line feeds."""
        ...


def matcher_of(patterns: Sequence[str], *, is_fast: bool = HAS_HYPERSCAN) -> Matcher:
    """The matcher of these patterns, by Hyperscan where it is installed."""
    if is_fast and patterns:
        return BlockMatcher(patterns)
    return LineMatcher(patterns)


class LineMatcher:
    """Asks RE2 about every line and pattern; right, and slow."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [compiled(each) for each in patterns]

    def matches(self, lines: Sequence[str], block: bytes) -> list[Match]:
        """All matches, by line and then by pattern."""
        if not self._patterns:
            return []
        found = block.split(b"\n")
        assert len(found) == len(lines), "a line feed within a line"
        return [
            Match(number, place)
            for place, line in enumerate(found)
            for number, pattern in enumerate(self._patterns)
            if pattern.search(line)
        ]


class BlockMatcher:
    """Has Hyperscan look at the whole block, and RE2 at what it points to where that can differ."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [compiled(each) for each in patterns]
        self._is_sure = [_ACROSS.search(each) is None for each in patterns]
        self._by_line: list[int] = []
        self._database: Any = None
        taken = [number for number, each in enumerate(patterns) if self._takes(each)]
        self._by_line = [number for number in range(len(patterns)) if number not in set(taken)]
        if taken:
            self._database = hyperscan.Database()
            self._database.compile(
                expressions=[_searched(patterns[number]) for number in taken],
                ids=taken,
                elements=len(taken),
                flags=[hyperscan.HS_FLAG_MULTILINE] * len(taken),
            )

    @staticmethod
    def _takes(pattern: str) -> bool:
        """Whether Hyperscan can look for it; RE2 knows some words that it does not."""
        if _OF_ONE_TEXT.search(pattern):
            return False
        try:
            hyperscan.Database().compile(
                expressions=[_searched(pattern)],
                ids=[0],
                elements=1,
                flags=[hyperscan.HS_FLAG_MULTILINE],
            )
        except hyperscan.error:
            return False
        return True

    def matches(self, lines: Sequence[str], block: bytes) -> list[Match]:
        """All matches, by line and then by pattern."""
        ends: set[tuple[int, int]] = set()
        if self._database is not None:
            self._database.scan(
                block + _BEHIND,
                match_event_handler=lambda number, _, end, *__: ends.add((end, number)),
            )
        if not ends and not self._by_line:
            return []
        encoded = block.split(b"\n")
        assert len(encoded) == len(lines), "a line feed within a line"
        # Where each line ends, counted as a match's end is.
        limits = list(accumulate(len(each) + 1 for each in encoded))
        found: set[tuple[int, int]] = set()
        for end, number in ends:
            place = bisect_left(limits, end + 1)
            if (place, number) in found or place >= len(encoded):
                continue
            if self._is_sure[number] or self._patterns[number].search(encoded[place]):
                found.add((place, number))
        for number in self._by_line:
            search = self._patterns[number].search
            found.update((place, number) for place, each in enumerate(encoded) if search(each))
        return [Match(number, place) for place, number in sorted(found)]


def _searched(pattern: str) -> bytes:
    """The same without an end that takes anything, of which each byte would be told."""
    return (_TAIL.sub("", pattern) or pattern).encode()
