"""Pairs of events of several streams: which come, what they hold, and what is not kept for ever."""

from typing import Any

import pytest

from projections.query import joins
from projections.query.engine import Mode, Running
from projections.query.parser import parse

Rows = list[dict[str, Any]]
Told = tuple[str, int, dict[str, Any]]


def answered(mql: str, told: list[Told], mode: Mode = "full") -> Rows:
    running = Running(parse(mql), lambda: 0.5, mode)
    rows = [row for stream, at_ms, event in told for row in running.push(event, at_ms, stream)]
    return rows + running.close()


TASK = ("tasks", 1_000, {"host": "h1", "task": "t1", "state": "LOST"})
HOST = ("hosts", 5_000, {"host": "h1", "state": "sick", "zone": "a"})


@pytest.mark.parametrize("told", [[TASK, HOST], [(*HOST[:1], 1_000, HOST[2]), TASK]])
def test_a_pair_has_the_keys_of_both_and_of_one_key_the_first_streams(told: list[Told]) -> None:
    rows = answered("select * from tasks join hosts 10 seconds on host", told)
    assert rows == [{"host": "h1", "task": "t1", "state": "LOST", "zone": "a"}]


def test_every_pair_within_the_time_comes_and_none_after_it() -> None:
    mql = "select task, zone from tasks join hosts 10 seconds on host"
    hosts: list[Told] = [("hosts", at_ms, {"host": "h1", "zone": at_ms}) for at_ms in (0, 500, 999)]
    late: Told = ("tasks", 10_500, {"host": "h1", "task": "t2"})
    rows = answered(mql, [*hosts, TASK, late])
    assert rows == [
        *({"task": "t1", "zone": at_ms} for at_ms in (0, 500, 999)),
        *({"task": "t2", "zone": at_ms} for at_ms in (500, 999)),
    ]


def test_null_pairs_with_nothing_and_numbers_with_their_kind() -> None:
    mql = "select a, b from x join y 10 seconds on k"
    left: list[Told] = [("x", 0, {"a": 1}), ("x", 0, {"k": None, "a": 2}), ("x", 0, {"k": 5})]
    right: list[Told] = [("y", 0, {"b": 1}), ("y", 0, {"k": 5.0, "b": 2}), ("y", 0, {"k": "5"})]
    assert answered(mql, left + right) == []


def test_a_path_and_conditions_on_both_sides() -> None:
    mql = "select a, b from x join y 10 seconds on e['m']['k'] where a > 1 and b > 1"
    left: list[Told] = [("x", 0, {"m": {"k": [1]}, "a": each}) for each in (1, 2)]
    right: list[Told] = [("y", 0, {"m": {"k": [1]}, "b": each}) for each in (1, 2)]
    assert answered(mql, left + right) == [{"a": 2, "b": 2}]


def test_a_second_join_takes_the_pairs_of_the_first() -> None:
    mql = "select * from x join y 10 seconds on k join z, w 10 seconds on j"
    told: list[Told] = [
        ("z", 0, {"j": 7, "z": 1}),
        ("x", 0, {"k": 1, "x": 1}),
        ("y", 0, {"k": 1, "j": 7}),
        ("w", 0, {"j": 7, "w": 1}),
        ("other", 0, {"j": 7, "k": 1}),
    ]
    assert answered(mql, told) == [
        {"k": 1, "x": 1, "j": 7, "z": 1},
        {"k": 1, "x": 1, "j": 7, "w": 1},
    ]


def test_a_stream_joined_with_itself_pairs_no_event_with_itself() -> None:
    mql = "select a from x join x 10 seconds on k"
    assert answered(mql, [("x", 0, {"k": 1, "a": 1})]) == []
    assert len(answered(mql, [("x", 0, {"k": 1, "a": each}) for each in (1, 2)])) == 2


def test_pairs_are_collected_grouped_and_counted() -> None:
    mql = "select host, count(*) as 'n' from tasks join hosts 60 seconds on host group by host"
    told = [("tasks", 0, {"host": f"h{number % 2}"}) for number in range(6)]
    told += [("hosts", 0, {"host": "h1"})]
    assert answered(mql, told) == [{"host": "h1", "n": 3}]


def test_a_publisher_sends_what_both_sides_may_need() -> None:
    mql = "select a from x join y 10 seconds on k where b == 1"
    told: list[Told] = [("x", 0, {"k": 1, "a": 1, "q": 1}), ("y", 0, {"k": 1, "b": 2})]
    assert answered(mql, told, "server") == [{"a": 1, "k": 1}, {"k": 1, "b": 2}]


def test_what_one_event_becomes_is_limited_and_what_has_no_room_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joins, "PAIRS_MAX", 10)
    monkeypatch.setattr(joins, "ROWS_HELD_MAX", 12)
    running = Running(parse("select * from x join y 10 seconds on k"), lambda: 0.5)
    for number in range(15):
        running.push({"k": 1, "n": number}, 0, "x")
    assert running.dropped == 3
    assert len(running.push({"k": 1}, 0, "y")) == 10
    assert running.dropped == 3 + 2
    # What is too old makes room.
    running.push({"k": 1, "n": 99}, 20_000, "x")
    assert running.push({"k": 1}, 20_001, "y") == [{"k": 1, "n": 99}]
