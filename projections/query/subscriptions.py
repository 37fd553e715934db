"""Many queries over one stream, at its source.

The one thing to know: an event is decoded once, tested by what may match it, and sent on once, as
the superset of what all matching queries name, with their names. Equality with a constant is looked
up and not tested, so a hundred subscriptions that each want one host cost little more than one.
Without any subscription nothing is decoded.
"""

from typing import Any, Final

import msgspec
import orjson

from projections.query.limits import SUBSCRIPTIONS_MAX
from projections.query.patterns import PatternError
from projections.query.rows import Project, published
from projections.query.sampling import Draw, Take, taker_of
from projections.query.scanner import QueryError
from projections.query.syntax import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Operand,
    Property,
    Query,
    StarPath,
)
from projections.query.testing import Test, tested
from projections.query.texts import text_of_part, text_of_value
from projections.query.values import Event, Row

PROJECTIONS_HELD_MAX: Final = 1_000
"""Of sets of queries that matched together; beyond, all are made anew."""
FOUND_BY: Final = (str, int, float, bool)


class Published(msgspec.Struct, frozen=True):
    """What is sent on of one event."""

    row: Row
    matched: tuple[str, ...]
    """The subscriptions that it is for."""


class SubscriptionsFullError(Exception):
    """There are as many subscriptions as there may be."""


class _Equality(msgspec.Struct, frozen=True):
    """A flat key and the constant that it must be equal to."""

    key: str
    constant: Any


class _Part(msgspec.Struct, frozen=True):
    """A flat key and the text that must be part of its own."""

    key: str
    text: str


_Found = tuple[_Equality, ...] | tuple[_Part]


class _Plan:
    """What is asked by one query, or by several that test the same."""

    __slots__ = ("asked", "found_by", "queries")

    def __init__(self, found_by: _Found, test: Test | None, take: Take | None) -> None:
        self.found_by = found_by
        self.asked = test if take is None else _taken_and_tested(take, test)
        """What is left to ask of an event that was found; None if nothing is."""
        self.queries: dict[str, Query] = {}


def _taken_and_tested(take: Take, test: Test | None) -> Test:
    if test is None:
        return take
    return lambda event: take(event) and test(event)


_Tables = dict[str, dict[Any, list[_Plan]]]
"""By key, by what is looked for in it: the plans that want it."""


class Subscriptions:
    """The queries of all subscribers of a stream."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._now_ms = 0
        self._plans: dict[str, _Plan] = {}
        self._shared: dict[str, _Plan] = {}
        """By the condition as text, for in Python 1, 1.0 and true are the same."""
        self._tested: dict[_Plan, None] = {}
        self._equal: _Tables = {}
        self._parts: _Tables = {}
        self._projections: dict[tuple[_Plan, ...], tuple[Project, tuple[str, ...]]] = {}
        self.undecodable = 0
        """Records that were no JSON objects, or nested beyond what can be looked into."""

    def __len__(self) -> int:
        return len(self._plans)

    def add(self, name: str, query: Query) -> None:
        """Subscribe; a subscription of that name is replaced.

        Raises `QueryError` for a query that cannot be asked, and `SubscriptionsFullError`.
        """
        if name not in self._plans and len(self._plans) >= SUBSCRIPTIONS_MAX:
            raise SubscriptionsFullError(f"There are {SUBSCRIPTIONS_MAX} subscriptions already.")
        plan = self._plan_of(query)
        self.remove(name)
        if not plan.queries:
            self._enter(plan, query)
        plan.queries[name] = query
        self._plans[name] = plan
        self._projections.clear()

    def remove(self, name: str) -> None:
        """End a subscription, if there is one of that name."""
        plan = self._plans.pop(name, None)
        if plan is None:
            return
        query = plan.queries.pop(name)
        if not plan.queries:
            self._leave(plan, query)
        self._projections.clear()

    def publish(self, record: bytes, now_ms: int) -> Published | None:
        """What is sent on of a record's event; None if nobody wants it."""
        if not self._plans:
            return None
        try:
            event = orjson.loads(record)
        except orjson.JSONDecodeError:
            self.undecodable += 1
            return None
        if not isinstance(event, dict):
            self.undecodable += 1
            return None
        try:
            return self.match(event, now_ms)
        except RecursionError:  # Lists within lists, by the hundred: nobody asks for that.
            self.undecodable += 1
            return None

    def match(self, event: Event, now_ms: int) -> Published | None:
        """What is sent on of an event; None if nobody wants it."""
        self._now_ms = now_ms
        plans = tuple(
            [plan for plan in self._candidates(event) if plan.asked is None or plan.asked(event)]
        )
        if not plans:
            return None
        found = self._projections.get(plans)
        if found is None:
            found = self._projection_of(plans)
        return Published(found[0](event), found[1])

    def _candidates(self, event: Event) -> list[_Plan]:
        candidates = list(self._tested)
        for key, table in self._equal.items():
            value = event.get(key)
            if value.__class__ is str:
                candidates += table.get(value, ())
            elif value.__class__ in FOUND_BY:
                candidates += table.get((value.__class__, value), ())
        for key, table in self._parts.items():
            value = event.get(key)
            text = value if value.__class__ is str else text_of_value(value)
            if text is not None:
                for part, plans in table.items():
                    if part in text:
                        candidates += plans
        return candidates

    def _projection_of(self, plans: tuple[_Plan, ...]) -> tuple[Project, tuple[str, ...]]:
        if len(self._projections) >= PROJECTIONS_HELD_MAX:
            self._projections.clear()
        queries = {name: query for plan in plans for name, query in plan.queries.items()}
        found = published(*queries.values()), tuple(queries)
        self._projections[plans] = found
        return found

    def _clock(self) -> int:
        return self._now_ms

    def _plan_of(self, query: Query) -> _Plan:
        where = _where(query)
        shared = self._shared.get(repr(where)) if query.sample is None else None
        if shared is not None:
            return shared
        take = taker_of(query.sample, self._clock, self._draw) if query.sample else None
        # A sample by rate counts every event, so it has to see every one.
        may_be_found = query.sample is None or query.sample.strategy != "RPS"
        found_by, rest = _split(where) if may_be_found else ((), where)
        try:
            test = tested(rest, self._clock) if rest is not None else None
        except PatternError as error:
            raise QueryError(str(error), query.text, error.position) from error
        return _Plan(found_by, test, take)

    def _enter(self, plan: _Plan, query: Query) -> None:
        if query.sample is None:
            self._shared[repr(_where(query))] = plan
        if not plan.found_by:
            self._tested[plan] = None
        for each in plan.found_by:
            tables, place = self._place_of(each)
            tables.setdefault(each.key, {}).setdefault(place, []).append(plan)

    def _leave(self, plan: _Plan, query: Query) -> None:
        if query.sample is None:
            del self._shared[repr(_where(query))]
        self._tested.pop(plan, None)
        for each in plan.found_by:
            tables, place = self._place_of(each)
            table = tables[each.key]
            table[place].remove(plan)
            if not table[place]:
                del table[place]
            if not table:
                del tables[each.key]

    def _place_of(self, found: _Equality | _Part) -> tuple[_Tables, Any]:
        if isinstance(found, _Part):
            return self._parts, found.text
        return self._equal, _place_of(found.constant)


def _where(query: Query) -> Condition | None:
    """What a publisher can test: it has one side of a pair only, and a query may say of both."""
    return None if query.joins else query.where


def _place_of(constant: Any) -> Any:
    """Where a constant is in a table: numbers by their kind, for 5 is not 5.0 and not true."""
    return constant if isinstance(constant, str) else (type(constant), constant)


def _split(where: Condition | None) -> tuple[_Found, Condition | None]:
    """What an event is found by, and what else must hold; found by nothing if all is tested."""
    if isinstance(where, AllOf):
        return _split_all(where)
    if isinstance(where, AnyOf):
        equalities = [_equality_of(each) for each in where.conditions]
        keys = {each and each.key for each in equalities}
        # Of two keys both may hold, and an event must not be matched twice.
        if None not in keys and len(keys) == 1:
            found = {_place_of(each.constant): each for each in equalities if each is not None}
            return tuple(found.values()), None
        return (), where
    equality, part = _equality_of(where), _part_of(where)
    if equality is not None:
        return (equality,), None
    return ((), where) if part is None else ((part,), None)


def _split_all(where: AllOf) -> tuple[_Found, Condition | None]:
    """Equality finds fewer than a part of a text does."""
    parts = [_split(each) for each in where.conditions]
    for kind in (_Equality, _Part):
        for place, (found, rest) in enumerate(parts):
            if rest is None and found and isinstance(found[0], kind):
                others = where.conditions[:place] + where.conditions[place + 1 :]
                return found, others[0] if len(others) == 1 else AllOf(others)
    return (), where


def _equality_of(condition: Condition | None) -> _Equality | None:
    if not isinstance(condition, Comparison) or condition.operator != "==":
        return None
    left, right = condition.left, condition.right
    if isinstance(left, Constant) and isinstance(right, Property):
        left, right = right, left
    key = _flat_key_of(left)
    if key is None or not isinstance(right, Constant) or right.value is None:
        return None
    return _Equality(key, right.value)


def _part_of(condition: Condition | None) -> _Part | None:
    if not isinstance(condition, Comparison) or condition.operator != "==+":
        return None
    key, right = _flat_key_of(condition.left), condition.right
    if key is None or not isinstance(right, Constant) or right.value is None:
        return None
    return _Part(key, text_of_part(right.value))


def _flat_key_of(operand: Operand | StarPath) -> str | None:
    if not isinstance(operand, Property) or len(operand.path.steps) != 1:
        return None
    key = operand.path.steps[0]
    return key if isinstance(key, str) else None
