"""Patterns over a block of lines: Hyperscan may say where to look, and never what matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.health.patterns import HAS_HYPERSCAN, Match, matcher_of
from projections.health.rules import compiled

LINES = ["", "a b", "b", "a", "error 12345", "x\ty", "é", "$^", "aab", "(?i)"]
PATTERNS = [
    *("a b", r"a\s+b", "^a$", "^b", "b$", r"error \d+", "err.*", "err.*$", "é", "[^x]y", "a|b"),
    *(r"\Aa", r"b\z", "(?i)ERROR", "(?s)a.b", r"\bb\b", "a{2,3}", r"\.", "x[[:space:]]y", r"\W"),
    *(r"\$", r"\pL", "a.", "error .+", r"\(\?i\)", "(?m)^b$", r"\x61"),
]


def expected(patterns: list[str], lines: list[str]) -> list[Match]:
    """What RE2 says of every line by itself."""
    return [
        Match(number, place)
        for place, line in enumerate(lines)
        for number, pattern in enumerate(patterns)
        if compiled(pattern).search(line.encode())
    ]


@pytest.mark.parametrize("is_fast", [False, pytest.param(True, marks=pytest.mark.skipif(
    not HAS_HYPERSCAN, reason="there is no Hyperscan for this processor"))])  # fmt: skip
def test_a_line_matches_as_if_it_were_alone(is_fast: bool) -> None:
    matcher = matcher_of(PATTERNS, is_fast=is_fast)
    assert matcher.matches(LINES, "\n".join(LINES).encode()) == expected(PATTERNS, LINES)


@given(
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=5, unique=True),
    st.lists(st.text("ab \t$.xy1error", max_size=8), min_size=1, max_size=6),
)
def test_fast_and_slow_agree(patterns: list[str], lines: list[str]) -> None:
    block = "\n".join(lines).encode()
    fast, slow = matcher_of(patterns), matcher_of(patterns, is_fast=False)
    assert fast.matches(lines, block) == slow.matches(lines, block) == expected(patterns, lines)


@pytest.mark.parametrize(
    ("patterns", "lines"),
    [
        (["^b", "a b"], ["111", "1111", "111111", "", "b"]),
        (["^a$", "é", "^x[^y]"], [".a$yx", "ro r", "", "yr ", "", "r", "ybrr$1", "a"]),
        (["b$", r"error \d+"], [".o", "", "e ro", "bxoy.yb"]),
    ],
)
def test_what_the_last_line_matches_is_found_whatever_else_is_looked_for(
    patterns: list[str], lines: list[str]
) -> None:
    """Hyperscan by itself misses these, which stand in the last bytes."""
    found = matcher_of(patterns).matches(lines, "\n".join(lines).encode())
    assert found == expected(patterns, lines)
    assert found[-1].line == len(lines) - 1


@pytest.mark.parametrize(
    "pattern", ["^", "$", "^$", "^a?", "^a|b$", "^|b$", "(^a|y)", r"a\$", r"a\\$", "[$]a", "a$|^b"]
)
def test_begins_and_ends_mean_the_same_wherever_they_stand(pattern: str) -> None:
    lines = ["", "a", "ba", "b", "a$", "a\\", "$a", "", "yb"]
    block = "\n".join(lines).encode()
    for patterns in ([pattern], [pattern, r"error \d+", "x[[:space:]]y"]):
        assert matcher_of(patterns).matches(lines, block) == expected(patterns, lines)


def test_no_patterns_match_nothing() -> None:
    assert matcher_of([]).matches(["a"], b"a") == []
