"""Functions over the events of a window or of a group.

The one thing to know: null and what is not there does not count, not even in a mean; sums and means
take numbers alone, and ranks, least and greatest strings where there are no numbers. A function
with nothing to go by is null, a sum or count is 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from projections.query.syntax import Aggregate, Function
from projections.query.testing import Clock, operand_of
from projections.query.values import Event, Getter, frozen, is_number, sort_key

RANKS: Final[dict[Function, float]] = {
    "P1": 0.01,
    "P5": 0.05,
    "P10": 0.10,
    "P25": 0.25,
    "P50": 0.50,
    "P75": 0.75,
    "P90": 0.90,
    "P95": 0.95,
    "P99": 0.99,
    "P995": 0.995,
}
"""Shares of the sorted values below; the value taken is the one at index ceil(share x count),
counted from 0 and at most the last, as in Mantis."""
EXTRAPOLATED: Final = frozenset({"COUNT", "SUM"})
"""What grows with the share of events that were looked at."""

Rollup = Callable[[Sequence[Event]], Any]


def rollup_of(aggregate: Aggregate, clock: Clock) -> Rollup:
    """The function's value over events."""
    operand = aggregate.operand
    if operand is None and aggregate.function == "COUNT":
        return len
    value_of: Getter = dict if operand is None else operand_of(operand, clock)
    over = _over(aggregate.function)
    is_distinct = aggregate.is_distinct

    def rollup(events: Sequence[Event]) -> Any:
        values = [value for event in events if (value := value_of(event)) is not None]
        return over(distinct(values) if is_distinct else values)

    return rollup


def distinct(values: list[Any]) -> list[Any]:
    """The values, each once, as they first came."""
    return list({frozen(each): each for each in values}.values())


def _over(function: Function) -> Callable[[list[Any]], Any]:
    if function in RANKS:
        share = RANKS[function]
        return lambda values: ranked(ranking(values), share)
    functions: dict[Function, Callable[[list[Any]], Any]] = {
        "COUNT": len,
        "LIST": lambda values: values or None,
        "SUM": lambda values: sum(numbers(values)),
        "MIN": lambda values: min(ranking(values), key=sort_key, default=None),
        "MAX": lambda values: max(ranking(values), key=sort_key, default=None),
        "AVERAGE": lambda values: mean(numbers(values)),
    }
    return functions[function]


def numbers(values: list[Any]) -> list[Any]:
    """Those values that are numbers."""
    return [each for each in values if is_number(each)]


def ranking(values: list[Any]) -> list[Any]:
    """Those values that have an order: the numbers, or without any the strings, or the truths.

    A value that stands alone is the least and the greatest, whatever it is.
    """
    for kinds in ((int, float), (str,), (bool,)):
        found = [each for each in values if type(each) in kinds]
        if found:
            return found
    return values if len(values) == 1 else []


def mean(values: list[Any]) -> Any:
    """Their mean; None of none. A mean that is whole stays whole."""
    if not values:
        return None
    total = sum(values)
    if isinstance(total, int) and total % len(values) == 0:
        return total // len(values)
    return total / len(values)


def ranked(values: list[Any], share: float) -> Any:
    """The value at that share of the sorted ones; None of none."""
    if not values:
        return None
    # The share times the count is rounded first: 0.995 x 200 is 199 and not a hair more.
    index = math.ceil(round(share * len(values), 9))
    return sorted(values, key=sort_key)[min(index, len(values) - 1)]
