"""Where the engine of Mantis dies or surprises, and what we do: the table of docs/mql.md."""

from typing import Any

import pytest

from projections.query.engine import Mode, Running
from projections.query.limits import GROUPS_MAX, PARTS_MAX, QUERY_CHARACTERS_MAX
from projections.query.parser import parse
from projections.query.scanner import QueryError

Rows = list[dict[str, Any]]
EVENTS: Rows = [{"a": 1, "b": 2, "s": "abc"}, {"a": 5, "b": 2, "s": "x"}, {"a": "7", "b": 3}]


def answered(mql: str, events: Rows, mode: Mode = "full") -> Rows:
    running = Running(parse(mql), lambda: 0.05, mode)
    rows = [row for at_ms, event in enumerate(events) for row in running.push(event, at_ms)]
    return rows + running.close()


@pytest.mark.parametrize(
    ("mql", "rows"),
    [
        # Orders between things that are no numbers are false, and end no stream.
        ("select s where a < 6", [{"s": "abc"}, {"s": "x"}]),
        ("select a where s < 'b'", []),
        ("select sum(a), min(a), max(a) from q", [{"SUM(a)": 6, "MIN(a)": 1, "MAX(a)": 5}]),
        ("select min(s), average(s) from q", [{"MIN(s)": "abc", "AVERAGE(s)": None}]),
        # Numbers before strings, and what is not there before both.
        ("select a order by a desc", [{"a": "7"}, {"a": 5}, {"a": 1}]),
        ("select s order by s", [{}, {"s": "abc"}, {"s": "x"}]),
        # A mean is a number like any other.
        ("select average(b) from q where b == 2 or b == 3", [{"AVERAGE(b)": 7 / 3}]),
        # Names without marks of the engine's own.
        ("select count(*) from q", [{"COUNT(*)": 3}]),
        # Every event of a window, with what was asked of it.
        ("select a from q window |2|", [{"a": 1}, {"a": 5}, {"a": "7"}]),
        ("select a from q where b == 2 group by b", [{"a": 1}, {"a": 5}]),
        ("select a from q having b == 2", []),
        # Part of a string, whatever it is looked for in.
        ("select a where a ==+ 7", [{"a": "7"}]),
        ("select a where s ==~ /a|abc/", [{"a": 1}]),
        ("select p95(a), p995(a) from q", [{"P95(a)": 5, "P995(a)": 5}]),
        # A part of what is no string, and in what is none.
        ("select a where 'a52' ==+ a", [{"a": 5}]),
        # Windows and groups of whole events have an order, and a limit of events.
        ("select * from q window |3| order by s", [EVENTS[2], EVENTS[0], EVENTS[1]]),
        ("select * from q group by b limit 1", [{"a": 1, "b": 2, "s": "abc"}]),
        # A place in a string, or a star of one, is nothing.
        ("select e['s'][0] limit 1", [{}]),
        ("select a where e['s'][*] != 'z'", []),
        # Names of what is negated or begins so, in rows of aggregates as well.
        ("select !s, count(*) as 'n' from q", [{"!s": False, "n": 3}]),
        ("select count(e[^'s']) from q", [{"COUNT(s)": 3}]),
        # A sample's words may stand on several lines.
        ("select a limit 1 sample {'strategy':'RANDOM',\n'threshold':10000}", [{"a": 1}]),
        # Where there is one stream, its name does not matter.
        ("select a from nowhere limit 1", [{"a": 1}]),
    ],
)
def test_what_others_die_of(mql: str, rows: Rows) -> None:
    assert answered(mql, EVENTS) == rows


@pytest.mark.parametrize(
    ("name", "value"),
    [("p1", 2), ("p10", 2), ("p50", 6), ("p90", 10), ("p95", 10), ("p99", 10), ("p995", 10)],
)
def test_percentiles_of_one_to_ten(name: str, value: int) -> None:
    # Index ceil(share x 10) counted from 0, and never beyond the last.
    mql = f"select {name}(n) as 'p' from q"
    (row,) = answered(mql, [{"n": n} for n in range(10, 0, -1)])
    assert row == {"p": value}


def test_places_in_lists_about_a_star() -> None:
    events: Rows = [{"l": [{"k": [1, 2]}, {"k": [3]}]}, {"l": [[{"k": 1}]]}, {}]
    assert answered("select * where e['l'][*]['k'][0] == 3", events) == events[:1]
    assert answered("select * where e['l'][0][*]['k'] == 1", events) == events[1:2]


def test_a_publisher_sends_lists_whole_so_that_their_places_stay() -> None:
    events: Rows = [{"l": [1, 2], "m": 3}, {"l": {"0": 1}}, {"l": "text"}]
    mql = "select e['l'][-1]"
    sent = answered(mql, events, "server")
    assert sent == [{"l": [1, 2]}, {}, {}]
    assert answered(mql, sent, "client") == answered(mql, events)


def test_the_place_of_an_error_is_counted_in_letters() -> None:
    places = []
    for letter in ("x", "😀"):
        with pytest.raises(QueryError) as raised:
            parse(f"select e['{letter}'] where a & 1")
        places.append(raised.value.column)
    assert places == [23, 23]


@pytest.mark.parametrize(
    ("mql", "column"),
    [
        ("select a where a ==~ /(b/", 22),
        ("select a where b == 1 and (c == 2 or a ==~  /(?=b)/)", 45),
        ("select count(*) as 'n' from q having n ==~ /(/", 44),
    ],
)
def test_a_pattern_that_cannot_be_used_is_told_at_its_place(mql: str, column: int) -> None:
    with pytest.raises(QueryError) as raised:
        Running(parse(mql), lambda: 0.0)
    assert (raised.value.line, raised.value.column) == (1, column)


def test_a_client_names_what_it_selects_and_a_publisher_does_not() -> None:
    assert answered("select a as 'z' where b == 3", EVENTS) == [{"a": "7"}]
    assert answered("select a as 'z' where b == 3", EVENTS, "client") == [{"z": "7"}]
    assert answered("select a as 'z' where b == 3", EVENTS, "server") == [{"a": "7", "b": 3}]


def test_a_share_samples_so_many_and_a_client_samples_nothing() -> None:
    def count(mql: str, mode: Mode = "full") -> int:
        draws = iter(range(1_000))
        running = Running(parse(mql), lambda: next(draws) / 1_000, mode)
        return sum(len(running.push({"a": 1}, 0)) for _ in range(1_000))

    assert count("select a from q sample 10%") == 100
    assert count("select a from q sample {'strategy':'RANDOM','threshold':2500}") == 250
    assert count("select a from q sample 10%", "client") == 1_000


def test_a_sample_by_rate_takes_the_first_of_each_second() -> None:
    running = Running(parse("select a sample {'strategy':'RPS','threshold':2}"), lambda: 0.0)
    rows = [row for at_ms in range(0, 3_000, 100) for row in running.push({"a": at_ms}, at_ms)]
    assert [row["a"] for row in rows] == [0, 100, 1_000, 1_100, 2_000, 2_100]


def test_windows_of_time_tumble_and_slide_by_the_clock_they_are_given() -> None:
    def counts(window: str) -> list[int]:
        running = Running(parse(f"select count(*) as 'n' from q window {window}"), lambda: 0.0)
        rows = [row for at_s in range(12) for row in running.push({"a": 1}, at_s * 1_000)]
        return [row["n"] for row in rows + running.close()]

    assert counts("4") == [4, 4, 4]
    assert counts("4 2") == [4, 4, 4, 4, 4]


def test_a_window_ends_without_another_event_and_an_empty_one_says_nothing() -> None:
    running = Running(parse("select count(*) as 'n' from q window 2"), lambda: 0.0)
    assert running.push({"a": 1}, 0) == []
    assert running.tick(1_999) == []
    assert running.tick(2_000) == [{"n": 1}]
    assert running.tick(100_000) == []
    assert running.push({"a": 1}, 100_500) == []
    assert running.tick(200_000) == [{"n": 1}]


def test_of_no_events_a_function_grows_as_in_the_engine() -> None:
    sample = "sample {'strategy':'STICKY','keys':['s'],'threshold':50,'extrapolate':true}"
    rows = [answered(f"select {what} from q {sample}", []) for what in ("sum(n)", "sum(n) as 'x'")]
    assert repr(rows) == "[[{'SUM(n)': 0.0}], [{'x': 0}]]"


def test_anomalies_are_far_from_the_median_of_those_before() -> None:
    values = [10, 11, 10, 9, 10, 50, 10, 11]
    found = answered("select v from q anomaly mad v 5 4", [{"v": each} for each in values])
    assert found == [{"v": 50}]


@pytest.mark.parametrize(
    ("mql", "words"),
    [
        ("select a limit 1.5", "A limit is a whole number from 0"),
        ("select a limit -1", "A limit is a whole number from 0"),
        ("select a from q window 0", "A window spans more than 0"),
        ("select a from q window |0|", "A window counts 1 to"),
        ("select a where e['x'][*][*] == 1", "A path may have one star"),
        ("select a sample 101%", "A share is 0 to 100 %"),
        ("select a sample {'strategy':'STICKY','threshold':1}", "needs keys"),
        ("select a sample {'strategy':'NONE','threshold':1}", "strategy is one of"),
        ("select a sample {'strategy':'RANDOM','threshold':1,'fact':2}", "has no fact"),
        ("select a where " + "(" * 100 + "a == 1" + ")" * 100, "nested more than"),
        ("select " + ",".join(["a"] * (PARTS_MAX + 1)), f"more than {PARTS_MAX} parts"),
        ("select " + "a" * QUERY_CHARACTERS_MAX, "are the most"),
        ("select a where a ==~ /(a)\\1/", "Patterns take linear time"),
        ("select a where a ==~ /(?=a)b/", "Patterns take linear time"),
        ("select a where a ==~ /(a/", "cannot be used"),
        ("select a where a ==~ /" + "(a*)" * 300 + "/", "1000 are the most"),
        ("select " + "!" * 100 + "a", "negations of one another"),
        ("select a where a > 1.0E999", "The number is too large"),
        ("select a limit 1.0E999", "The number is too large"),
        ("select e[9999999999]", "A place in a list is at most"),
        ("select not , a", "Expected one of"),
        ("select !a as 'x'", "line: 1 column: 11"),
        ("select e[x] where a == 1", "Expected one of a quoted key, a number"),
    ],
)
def test_what_cannot_be_asked_says_why(mql: str, words: str) -> None:
    with pytest.raises(QueryError, match=words.replace("(", r"\(")):
        Running(parse(mql), lambda: 0.0)


def test_a_pattern_that_others_choke_on_takes_no_time() -> None:
    assert answered("select s where s ==~ /(a+)+$/", [{"s": "a" * 5_000 + "b"}]) == []


@pytest.mark.slow
def test_groups_without_end_are_dropped_and_counted() -> None:
    running = Running(parse("select count(*) from q group by a"), lambda: 0.0)
    for number in range(GROUPS_MAX + 5):
        running.push({"a": number}, 0)
    assert len(running.close()) == GROUPS_MAX
    assert running.dropped == 5
