"""Parts of queries that few ask for: odd samples, orders of anything, whole columns, full windows.

How: each part by itself, with an answer that is known beforehand, or with the one that dictionaries
give to the same question.
"""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pyarrow as pa
import pytest

from projections.query import testing
from projections.query.anomalies import Deviating
from projections.query.batches import ColumnBatch, batch_of
from projections.query.columns import ColumnQuery, expression_of
from projections.query.engine import Running
from projections.query.kept import Sink, ToAlert, ToMetric, ToTopic, sink_told
from projections.query.parser import parse
from projections.query.pushdown import Some, mask_of
from projections.query.rows import published
from projections.query.sampling import murmur3_of, taker_of
from projections.query.subscriptions import Subscriptions
from projections.query.syntax import (
    Anomaly,
    Comparison,
    Condition,
    Constant,
    Path,
    Property,
    Sample,
    TimeWindow,
)
from projections.query.values import getter_of, sort_key
from projections.query.windows import TimedEvents, WholeStream

A = Property(Path(("a",)))
Rows = list[dict[str, Any]]


def answered(mql: str, events: Rows, step_ms: int = 1) -> Rows:
    """The rows of a whole stream, an event each step."""
    running = Running(parse(mql), lambda: 0.5)
    rows = [row for at, each in enumerate(events) for row in running.push(each, at * step_ms)]
    return rows + running.close()


# Values.


def test_a_place_in_a_list_is_no_key_of_an_event() -> None:
    assert getter_of(Path((0,)))({"0": "a"}) is None
    assert getter_of(Path(("0",)))({"0": "a"}) == "a"
    assert getter_of(Path(("l", -1)))({"l": [1, 2]}) == 2


def test_anything_has_a_place_in_an_order() -> None:
    mixed: list[Any] = [[2], "b", nan, 3, True, None, {"k": 1}, 2.5, "a", False]
    ordered = sorted(mixed, key=sort_key)
    assert ordered[:3] == [None, False, True]
    assert ordered[3] != ordered[3], "what is no number stands before the numbers"
    assert ordered[4:] == [2.5, 3, "a", "b", [2], {"k": 1}]


def test_the_greatest_of_numbers_is_none_that_is_no_number() -> None:
    events = [{"a": nan}, {"a": 1.5}, {"a": 0.5}]
    assert answered("select max(a) as 'm' from q", events) == [{"m": 1.5}]
    assert answered("select max(a) as 'm' from q", events[::-1]) == [{"m": 1.5}]


def test_lists_and_maps_are_told_apart_by_what_is_in_them() -> None:
    values: list[Any] = [{"k": 1}, {"k": 1.0}, {"k": 1}, [1], [True], [1], {"k": [1]}]
    rows = answered("select count(distinct a) as 'n' from q", [{"a": each} for each in values])
    assert rows == [{"n": 5}]


# Samples.


def test_a_sticky_sample_of_all_takes_also_what_has_no_key() -> None:
    of_all = Sample("STICKY", threshold=10, factor=10, keys=("a",))
    assert taker_of(of_all, lambda: 0, lambda: 0.5)({}) is True
    of_most = Sample("STICKY", threshold=9.99, factor=10, keys=("a",))
    assert taker_of(of_most, lambda: 0, lambda: 0.5)({}) is False


def test_zero_is_zero_and_others_are_austin_applebys() -> None:
    assert [murmur3_of(each) for each in (0, 1, -1)] == [0, -68075478, 1982413648]


# Windows.


def test_a_window_shorter_than_a_millisecond_is_one_of_a_millisecond() -> None:
    events = [{"a": 1}, {"a": 2}, {"a": 3}]
    wanted = [{"n": 1}, {"n": 1}, {"n": 1}]
    assert answered("select count(*) as 'n' from q window 0.0001", events) == wanted


@pytest.mark.parametrize("make", [WholeStream, lambda: TimedEvents(TimeWindow(60, 60))])
def test_a_full_window_counts_what_found_no_room(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], WholeStream | TimedEvents]
) -> None:
    monkeypatch.setattr("projections.query.windows.ROWS_HELD_MAX", 2)
    window = make()
    for number in range(5):
        assert window.push({"a": number}, number) == []
    assert (window.held, window.dropped) == (2, 3)
    assert window.close() == [[{"a": 0}, {"a": 1}]]


def test_windows_with_gaps_between_them_pass_over_what_falls_into_a_gap() -> None:
    events = [{"a": number} for number in range(12)]
    rows = answered("select list(a) as 'l' from q window 2 5", events, step_ms=1_000)
    assert rows == [{"l": [0, 1]}, {"l": [5, 6]}, {"l": [10, 11]}]


def test_rows_of_windows_that_deviate_are_those_that_are_shown() -> None:
    events: Rows = [{"a": each} for each in (1, 2, 1, 2, 90, 1)]
    mql = "select sum(a) as 's' from q window |1| anomaly mad s 3 5"
    assert answered(mql, events) == [{"s": 90}]


def test_what_is_no_number_deviates_from_nothing_and_is_not_remembered() -> None:
    deviates = Deviating(Anomaly(Path(("a",)), 3, 3))
    told = [deviates({"a": each}) for each in (1, 2, "x", None, True, 3, 90)]
    assert told == [False] * 6 + [True]


# What is named, and sent on.


def test_a_publisher_sends_what_an_anomaly_looks_at() -> None:
    project = published(parse("select a from q anomaly mad load 5 3"))
    assert project({"a": 1, "load": 2, "other": 3}) == {"a": 1, "load": 2}


def test_projections_of_sets_of_queries_are_made_anew_when_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.query.subscriptions.PROJECTIONS_HELD_MAX", 2)
    many = Subscriptions(lambda: 0.5)
    for number in range(4):
        many.add(str(number), parse(f"select k{number} where a == {number}"))
    for number in (0, 1, 2, 3, 0, 2):
        sent = many.match({"a": number, f"k{number}": "x", "other": 1}, 0)
        assert sent is not None
        assert sent.row == {"a": number, f"k{number}": "x"}
        assert len(many._projections) <= 2


def test_a_part_that_is_looked_for_deep_inside_is_tested_and_not_looked_up() -> None:
    many = Subscriptions(lambda: 0.5)
    many.add("deep", parse("select a where e['m']['k'] ==+ 'x'"))
    assert many._parts == {}
    assert many.match({"a": 1, "m": {"k": "yxy"}}, 0) is not None
    assert many.match({"a": 1, "m": {"k": "y"}}, 0) is None


def test_what_nothing_may_hold_is_looked_at_only_where_bytes_are_escaped() -> None:
    column = pa.array([b"plain", rb"esc\u0061ped", None])
    assert mask_of(Some(()))(column).to_pylist() == [False, True, True]


# Columns.


def same_by_rows(condition: Condition, events: Rows) -> list[bool]:
    """What the condition says of events as columns, held against what it says of dictionaries."""
    test = testing.tested(condition, lambda: 0)
    found: list[bool] = expression_of(condition, lambda: 0).mask(batch_of(events)).to_pylist()
    assert found == [test(each) for each in events]
    return found


def test_whole_numbers_are_compared_with_one_that_is_beyond_all() -> None:
    events: Rows = [{"a": 1}, {"a": 2**62}, {}]
    for value, below in ((inf, True), (-inf, False)):
        less = Comparison("<", A, Constant(value))
        more = Comparison(">", A, Constant(value))
        assert same_by_rows(less, events) == [below, below, False]
        assert same_by_rows(more, events) == [not below, not below, False]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (".*(xa|yb|zc).*", [True, True, True, False]),
        (".*(xa|zc).*", [True, False, True, False]),
        (".*(zc).*", [False, False, True, False]),
    ],
)
def test_one_of_several_words_is_found_in_a_column(pattern: str, found: list[bool]) -> None:
    where = parse(f"select a where a ==~ /{pattern}/").where
    assert where is not None
    assert same_by_rows(where, [{"a": each} for each in ("1xa2", "yb", "zc3", "xb")]) == found


def test_a_pattern_that_cannot_stand_within_another_is_tested_value_by_value() -> None:
    r"""After ``\Q`` all is taken by the letter, and so would be the end of a column's pattern."""
    where = parse(r"select a where a ==~ /(x|y)\Qa.b/").where
    assert where is not None
    events: Rows = [{"a": "xa.b"}, {"a": "yaxb"}, {}, {"a": "ya.b"}, {"a": "ya.b "}]
    assert same_by_rows(where, events) == [True, False, False, True, False]


def test_a_condition_that_may_look_at_any_key_has_no_list_of_keys() -> None:
    where = parse("select a where e[^'p'] == 1 and a == 1").where
    assert where is not None
    assert expression_of(where, lambda: 0).keys is None
    assert ColumnQuery(parse("select a where b == 1 or c == 2"), lambda: 0).keys == ("a", "b", "c")
    assert ColumnQuery(parse("select a where e[^'p'] == 1"), lambda: 0).keys is None


def test_a_star_of_the_event_itself_looks_at_every_key() -> None:
    query = parse("select a where e[*] == 1")
    assert query.where is not None
    events: Rows = [{"a": 2, "b": 1}, {"a": 1}, {"b": 2}, {"a": 3}]
    assert same_by_rows(query.where, events) == [True, True, False, False]
    assert answered(query.text, events) == [{"a": 2}, {"a": 1}]
    columns = ColumnQuery(query, lambda: 0)
    assert columns.keys is None
    assert columns.rows(batch_of(events)) == [{"a": 2}, {"a": 1}]
    assert published(query)(events[0]) == events[0]
    sent = ColumnQuery(query, lambda: 0, is_published=True).rows(batch_of(events))
    assert sent == events[:2]


def test_columns_are_read_as_values_where_there_is_none_and_where_it_has_gaps() -> None:
    batch = ColumnBatch({"a": pa.array([1, None]), "l": [[1], None]}, 2)
    assert batch.values("none") == [None, None]
    assert batch.values("l") == [[1], None]
    assert batch.values("a") == [1, None]


# Sinks.


@pytest.mark.parametrize(
    ("sink", "told"),
    [
        (None, {}),
        (ToTopic(), {"topic": True}),
        (
            ToMetric("lost", labels=("host",)),
            {"metric": {"name": "lost", "kind": "counter", "value": "", "labels": ("host",)}},
        ),
        (ToAlert("page", "s"), {"alert": {"severity": "page", "summary": "s", "key": ()}}),
    ],
)
def test_a_sink_is_told_in_the_form_in_which_it_is_given(sink: Sink | None, told: object) -> None:
    assert sink_told(sink) == told
