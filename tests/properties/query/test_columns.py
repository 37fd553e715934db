"""Columns answer what dictionaries answer: the same events are wanted, and become the same rows.

How: the questions of the contract test, made by chance over the whole grammar, and events made by
chance whose keys have one type, several, or none at all.
"""

import random
from typing import Any

import pytest

from projections.query import testing
from projections.query.batches import ColumnBatch, batch_of
from projections.query.columns import ColumnQuery, expression_of
from projections.query.parser import parse
from projections.query.patterns import PatternError
from projections.query.rows import projected, published
from projections.query.scanner import QueryError
from projections.query.syntax import Query
from tests.contract.mql.questions import Questions

NOW_MS = 1_763_800_000_000
QUESTIONS = 700


def clock() -> int:
    return NOW_MS


@pytest.mark.parametrize("seed", range(2))
def test_columns_and_dictionaries_agree(seed: int) -> None:
    questions, matched, asked = Questions(seed), 0, 0
    for _ in range(QUESTIONS):
        question = questions.next()
        try:
            query = parse(question["mql"])
            rows = compare(query, question["events"])
        except (QueryError, PatternError):
            continue
        asked += 1
        matched += bool(rows)
    assert asked > QUESTIONS / 2  # A generator that asks nothing would agree as well.
    assert matched > QUESTIONS / 5


def compare(query: Query, events: list[dict[str, Any]]) -> int:
    """How many events are wanted, by both."""
    test = testing.tested(query.where, clock) if query.where else (lambda _: True)
    wanted = [event for event in events if test(event)]
    batch = batch_of(events)
    said = repr(query.text)
    if query.where:
        mask = expression_of(query.where, clock).mask(batch)
        assert mask.null_count == 0, said
        assert mask.to_pylist() == [test(event) for event in events], (said, events)
    for is_published in (False, True):
        if query.is_aggregate and not is_published:
            continue
        project = (
            published(query) if is_published else projected(query, clock, are_aliases_kept=False)
        )
        rows = ColumnQuery(query, clock, is_published=is_published).rows(batch)
        expected = [project(event) for event in wanted]
        assert list(map(same, rows)) == list(map(same, expected)), (said, events)
    return len(wanted)


def same(value: Any) -> Any:
    """A value with the kinds of its numbers, for in Python 1, 1.0 and true are the same."""
    if isinstance(value, dict):
        return {key: same(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [same(each) for each in value]
    return type(value).__name__, repr(value)


TYPED = [
    "select * where {} == 5",
    "select * where {} == 5.0",
    "select * where {} != true",
    "select * where {} < 2.5",
    "select * where {} >= 9007199254740993",
    "select * where {} <= -9223372036854775809",
    "select * where {} > 1e300",
    "select * where {} == 'a'",
    "select * where {} ==+ 'a'",
    "select * where {} ==+ 1",
    "select * where {} == null or {} != 'b'",
    "select * where {} ==~ /a.*/",
    "select * where {} ==~ /.*[ab]\\n?x*/",
    "select * where {} ==~ /5/",
    "select * where not ({} > 1 and {} ==~ /.*(5|7).*/)",
    "select * where {} < null",
]
VALUES: dict[str, list[Any]] = {
    "texts": ["a", "b", "", "ab\n", "5", "x" * 100, "ä", "a\x00b", None],
    "whole": [0, 5, -1, 2**53 + 1, 2**63 - 1, -(2**63), None],
    "floats": [0.0, 5.0, -0.0, 2.5, 1e308, 9007199254740993.0, None],
    "truths": [True, False, None],
    "large": [2**70, 5, None],
    "mixed": [1, 1.0, True, "a", None, [1], {"a": 1}],
    "halves": ["\ud800a", "a", None],
    "nothing": [None],
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("mql", TYPED)
def test_each_comparison_with_each_type(kind: str, mql: str) -> None:
    try:
        query = parse(mql.replace("{}", "k"))
    except QueryError:
        pytest.skip("the grammar does not have such a number")
    chance = random.Random(mql + kind)
    events = [{"k": chance.choice(VALUES[kind])} for _ in range(40)] + [{}]
    compare(query, events)


def test_dear_tests_are_asked_of_what_is_left_alone() -> None:
    events = [{"a": number, "s": f"s{number % 7}"} for number in range(200)]
    for mql in (
        "select a where a < 5 and s ==~ /.*[34]/",
        "select a where a > 5 or s ==~ /.*[34]/",
        "select a where a < 5 and not (s ==~ /.*[34]/ or e['x'][0] == 1)",
        "select a where a < 0 and s ==+ '1'",
        "select a where a >= 0 or s ==+ '1'",
    ):
        assert compare(parse(mql), events) >= 0


def test_a_batch_without_rows_has_none() -> None:
    query = ColumnQuery(parse("select a where a == 'x' and s ==~ /x.*/"), clock)
    assert query.rows(ColumnBatch({}, 0)) == []
    assert query.rows(batch_of([{}, {"b": 1}])) == []
    assert query.keys == ("a", "s")
