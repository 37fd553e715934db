"""Many queries at a source: each gets what it alone would get, and nobody decodes for nobody."""

import random
from typing import Any

import orjson
import pytest

from projections.query import subscriptions
from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.scanner import QueryError
from projections.query.subscriptions import Subscriptions, SubscriptionsFullError

QUERIES = (
    "select a where b == 'x'",
    "select c where b == 'x' and a > 2",
    "select a where a > 2 and 'x' == b",
    "select a, b where a == 1",
    "select a where a == 1.0",
    "select a where a == true",
    "select c where b == 'x' or b == 'y'",
    "select c where b == 'x' or a == 1",
    "select c where a == 1 or a == 1.0",
    "select c where b == 'x' or a == 'x'",
    "select * where c ==+ 'z'",
    "select a where (b == 'y' or b == 'x') and c ==~ /.*z.*/",
    "select e['m']['k'] where e['m']['k'] == 1",
    "select a where b == null",
    "select a where not (b == 'x')",
    "select a",
    "select a where b ==+ 'z'",
    "select a where b ==+ 1",
    "select a where c ==+ 'z' and b ==+ 'y'",
    "select a where c ==+ 'z' and b == 'y'",
    "select a where b ==+ 'k' or b == 'y'",
    "select a where b == 'x' sample {'strategy':'STICKY','keys':['a'],'threshold':5000}",
    "select count(*) from q window 10 where b == 'y' group by a",
)


def events() -> list[dict[str, Any]]:
    chance = random.Random(3)
    values = (1, 1.0, True, None, 3, "x", "y", "zz", {"k": 1}, {"k": 2}, [1])
    return [
        {key: chance.choice(values) for key in ("a", "b", "c", "m") if chance.random() < 0.8}
        for _ in range(400)
    ]


def subscribed(*queries: str) -> Subscriptions:
    found = Subscriptions(lambda: 0.5)
    for number, mql in enumerate(queries):
        found.add(str(number), parse(mql))
    return found


def test_each_gets_what_it_alone_would_get() -> None:
    many = subscribed(*QUERIES)
    alone = {str(n): Running(parse(mql), lambda: 0.5, "server") for n, mql in enumerate(QUERIES)}
    seen: set[str] = set()
    for event in events():
        rows = {name: rows[0] for name, each in alone.items() if (rows := each.push(event, 0))}
        found = many.publish(orjson.dumps(event), 0)
        assert found is not None
        assert sorted(found.matched) == sorted(rows)
        for row in rows.values():
            assert row.items() <= found.row.items()
        if all("*" not in QUERIES[int(name)] for name in rows):
            assert found.row.keys() == {key for row in rows.values() for key in row}
        seen |= rows.keys()
    assert len(seen) == len(QUERIES)


def condition(chance: random.Random, depth: int = 2) -> str:
    """Some condition over the keys and values of `events`."""
    if depth and chance.random() < 0.6:
        word = chance.choice((" and ", " or ", " or "))
        parts = word.join(condition(chance, depth - 1) for _ in range(chance.randint(2, 3)))
        return f"{chance.choice(('', '', 'not '))}({parts})"
    key, value = (
        chance.choice("abc"),
        chance.choice(("1", "1", "1.0", "true", "'x'", "'x'", "null")),
    )
    operator = chance.choice((*["=="] * 8, "!=", "==+", ">"))
    return f"{key} {operator} {value}"


def test_each_of_many_conditions_gets_what_it_alone_would_get() -> None:
    chance = random.Random(11)
    queries = [f"select a where {condition(chance)}" for _ in range(400)]
    there = events()[:60]
    for mql in queries:
        found, alone = subscribed(mql), Running(parse(mql), lambda: 0.5, "server")
        for event in there:
            sent = found.match(event, 0)
            assert ([] if sent is None else [sent.row]) == alone.push(event, 0), (mql, event)


def test_what_is_equal_is_looked_up_and_not_tested() -> None:
    many = subscribed(*(f"select a where host == 'h{n}'" for n in range(1_000)))
    assert len(many._candidates({"host": "h7"})) == 1
    assert many._candidates({"host": "h1000"}) == []
    assert many._candidates({"host": ["h7"]}) == []


def test_without_subscription_nothing_is_decoded() -> None:
    many = Subscriptions(lambda: 0.5)
    assert many.publish(b"{not even json", 0) is None
    assert many.undecodable == 0


def test_records_that_are_no_objects_are_counted() -> None:
    many = subscribed("select *")
    assert many.publish(b"{not even json", 0) is None
    assert many.publish(b"[1]", 0) is None
    assert many.undecodable == 2


def test_who_leaves_gets_nothing_and_leaves_nothing_behind() -> None:
    many = subscribed(*QUERIES)
    for number in range(len(QUERIES)):
        many.remove(str(number))
        many.remove(str(number))
    assert len(many) == 0
    assert not any((many._equal, many._parts, many._tested, many._shared, many._projections))


def test_a_name_that_comes_again_replaces_what_it_asked() -> None:
    many = subscribed("select a where b == 'x'")
    many.add("0", parse("select c where b == 'y'"))
    assert many.match({"a": 1, "b": "x", "c": 1}, 0) is None
    found = many.match({"a": 1, "b": "y", "c": 1}, 0)
    assert found is not None
    assert found.row == {"b": "y", "c": 1}
    with pytest.raises(QueryError):
        many.add("0", parse("select c where b ==~ /(a/"))
    assert many.match({"b": "y"}, 0) is not None


def test_a_sample_by_rate_counts_every_event() -> None:
    rate = "sample {'strategy':'RPS','threshold':2}"
    many = subscribed(f"select a where b == 'x' {rate}")
    found = [many.match({"b": b}, 0) is not None for b in ("y", "x", "x", "x")]
    assert found == [False, True, False, False]


def test_there_is_an_end_to_subscriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SUBSCRIPTIONS_MAX", 2)
    many = subscribed("select a", "select b")
    with pytest.raises(SubscriptionsFullError, match="There are 2 subscriptions already"):
        many.add("2", parse("select c"))
    many.add("1", parse("select c"))
