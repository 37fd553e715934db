"""Any text ends as a query or as an error with its place, soon, and in little memory.

The one thing to know: texts come by chance, by spoiling what is a query, and from a list of what is
known to hurt parsers. A second is the promise; it is measured in processor time, for the computer
may be busy.
"""

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.query.engine import Running
from projections.query.limits import QUERY_CHARACTERS_MAX
from projections.query.parser import parse
from projections.query.scanner import QueryError
from tests.contract.mql.questions import Questions

SECONDS_MAX = 1.0
BYTES_MAX = 64 * 1024 * 1024
EVENTS: list[dict[str, Any]] = [
    {"a": 1, "s": "x" * 200, "l": [{"k": 1}]},
    {},
    {"a": None, "s": {"k": [None]}},
]
WORDS = (
    *("select ", "SELECT ", "* ", "a", "e['a']", "e[^'a']", "e[", "]", "[*]", "count(", ")", "("),
    *(" from s", " window ", "|", "9", "1E9", " where ", " and ", "&&", "||", " or ", "not ", "!"),
    *(" == ", "==~", "==+", "/", "\\", ".*", "'", '"', " group by ", " having ", " order by "),
    *(" limit ", " sample ", "%", "{", "}", ",", " join ", " seconds on ", " anomaly mad ", "\n"),
    *("null", "true", "tick()", "😀", "\x00", "\ud800", "-1", " as 'x'", "distinct "),
)
SIZE = 60_000


def ends(text: str) -> None:
    """Parse it and, if it is a query, ask it."""
    began = time.process_time()
    refused = None
    try:
        query = parse(text)
        running = Running(query, lambda: 0.5)
        for at_ms, event in enumerate(EVENTS):
            running.push(event, at_ms)
        running.close()
    except QueryError as error:
        refused = error
    assert time.process_time() - began < SECONDS_MAX
    if refused is not None:
        assert 0 <= refused.position <= len(refused.text)
        assert refused.caret().endswith("^")
        where = f"Parse error at line: {refused.line} column: {refused.column}. "
        assert str(refused).startswith(where)


@given(st.text(max_size=200))
def test_text_by_chance(text: str) -> None:
    ends(text)
    ends(f"select a where {text}")


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_words_by_chance(text: str) -> None:
    ends(text)
    ends("select " + text)


@given(st.integers(0, 10_000))
def test_made_up_questions_end_whatever_the_events(seed: int) -> None:
    question = Questions(seed).next()
    ends(question["mql"])


@pytest.mark.parametrize(
    "text",
    [
        "select a where " + "(" * SIZE,
        "select a where " + "not (" * (SIZE // 5),
        "select a where " + "!" * SIZE,
        "select " + "!" * SIZE + "a",
        "select a where " + " and ".join(["a == 1"] * (SIZE // 12)),
        "select " + ",".join("a" * (SIZE // 2)),
        "select a from s group by " + ",".join("a" * (SIZE // 2)),
        "select a from " + ",".join("s" * (SIZE // 2)),
        "select a from s" + " join t 1 seconds on k" * (SIZE // 22),
        "select e" + "['a']" * (SIZE // 5),
        "select a where e" + "['a']" * (SIZE // 5) + "[*] == 1",
        "select a where e" + "[*]" * (SIZE // 3) + " == 1",
        "select a where a ==~ /" + "(a*)*" * (SIZE // 5) + "/",
        "select a where s ==~ /" + "(" * SIZE + ")" * 5 + "/",
        "select a where s ==~ /(x+x+)+y/",
        "select a where s ==~ /(.*)*(.*)*(.*)*(.*)*z/",
        "select a where s ==~ /(((x{1,100}){1,100}){1,100}){1,100}/",
        "select a where s ==~ /" + "x|" * (SIZE // 2) + "/",
        "select a where s ==~ /" + "\\" * SIZE + "/",
        "select a where s ==~ " + "/" * SIZE,
        "select a where a == " + "9" * SIZE,
        "select a where a == 1.0E" + "9" * 9,
        "select a limit " + "9" * SIZE,
        "select a limit 1.0E999999",
        "select a from s window " + "9" * SIZE,
        "select a from s window 1.5E-999999",
        "select a from s window |" + "9" * 400 + "|",
        "select e[" + "9" * SIZE + "]",
        "select e[1.0E999]",
        "select a sample " + "{'a':" * (SIZE // 5) + "}" * 10,
        "select a sample {'strategy':'STICKY','threshold':1,'keys':["
        + ",".join(["'a'"] * 10_000)
        + "]}",
        "select a sample {'strategy':'RANDOM','threshold':1e999}",
        "select a sample {'strategy':'STICKY','threshold':1,'salt':"
        + "9" * 5_000
        + ",'keys':['a']}",
        "select a where a == '" + "x" * SIZE,
        "select a" + " " * SIZE,
        " " * SIZE + "select" + "\n" * 100,
        "select a from s anomaly mad a " + "9" * 400 + " 1",
        "select a from s join t " + "9" * 400 + " seconds on k",
        "select " + "x" * QUERY_CHARACTERS_MAX,
    ],
    ids=lambda text: f"{text[:40]!r}",
)
def test_what_hurts_parsers(text: str) -> None:
    tracemalloc.start()
    try:
        ends(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BYTES_MAX
