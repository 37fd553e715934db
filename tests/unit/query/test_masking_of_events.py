"""No query brings a secret out, whatever it is called by then.

How: events with secrets under names of every shape go through the matcher, asked by queries that
rename them or test them.
"""

import orjson
import pytest

from projections.masking import DEFAULT_PATTERNS, MASK
from projections.query.parser import parse
from streams.query.masking import EventMasker
from streams.query.matching import Matcher
from streams.query.places import Lane
from streams.query.record import Record
from streams.query.running import Found

SECRET = "s3cret-value"
LANE: Lane = ("commands", 0)


def found(text: str, event: object, patterns: tuple[str, ...] = DEFAULT_PATTERNS) -> list[Found]:
    """What a query finds in an event."""
    matcher = Matcher(EventMasker(patterns), lambda: 0.0)
    matcher.add("reader", parse(text))
    record = Record(0, 0, 1, None, orjson.dumps(event))
    return matcher.found([(LANE, record)], ("reader",))["reader"].found


@pytest.mark.parametrize(
    "event",
    [
        {"type": "A", "spec": {"container": {"environment": [["TOKEN", SECRET]]}}},
        {"type": "A", "env": {"PLAIN": SECRET}},
        {"type": "A", "DB-Password": SECRET},
        {"type": "A", "api key": SECRET},
        {"type": "A", "message": f"login with --api-key {SECRET}"},
        {"type": "A", "url": f"https://ann:{SECRET}@example.com/"},
    ],
)
def test_values_of_secrets_are_masked(event: object) -> None:
    """Under each shape of name, for a query that takes all."""
    (one,) = found("select * from commands", event)
    assert SECRET.encode() not in orjson.dumps(one.row)
    assert MASK.encode() in orjson.dumps(one.row)


def test_a_new_name_brings_nothing_out() -> None:
    """It is masked before it is called anything else."""
    event = {"type": "A", "env": {"X": SECRET}}
    (one,) = found("select e['env']['X'] as 'harmless' from commands", event)
    assert SECRET.encode() not in orjson.dumps(one.row)


def test_a_condition_cannot_guess() -> None:
    """Nor can a value be found out by asking for it."""
    event = {"type": "A", "password": SECRET}
    assert not found(f"select kind from commands where password == '{SECRET}'", event)
    assert not found("select kind from commands where password ==+ 's3c'", event)


def test_a_name_in_escapes_is_a_name() -> None:
    """JSON may write a letter as its number."""
    matcher = Matcher(EventMasker(DEFAULT_PATTERNS), lambda: 0.0)
    matcher.add("reader", parse("select * from commands"))
    value = b'{"type": "A", "p\\u0061ssword": "s3cret-value"}'
    (one,) = matcher.found([(LANE, Record(0, 0, 1, None, value))], ("reader",))["reader"].found
    assert one.row["password"] == MASK


def test_patterns_of_ones_own_count() -> None:
    """And one that fits every name has every record looked through."""
    event = {"type": "A", "badge": SECRET}
    assert found("select * from commands", event)[0].row["badge"] == SECRET
    assert found("select * from commands", event, ("*bad?e*",))[0].row["badge"] == MASK
    assert found("select * from commands", event, ("?*",))[0].row["badge"] == MASK
