"""Whether any event of a group can be wanted, by the least and the largest value of its columns.

The one thing to know: this is what a Parquet file says of each row group. A group that is passed
over has no event for the query; of all others nothing is said.
"""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from projections.query.syntax import (
    AllOf,
    Always,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Property,
    Scalar,
)


class Bounds(NamedTuple):
    """The least and the largest value of a column that are not null; None where all are null."""

    least: Any
    largest: Any


NOTHING: Final = Bounds(None, None)
BoundsOf = Callable[[str], Bounds | None]
"""Of a key; None where nothing is known of its values."""


def may_hold(condition: Condition | None, bounds_of: BoundsOf) -> bool:
    """Whether the condition can hold for an event of the group."""
    match condition:
        case Always():
            return condition.is_true
        case AllOf():
            return all(may_hold(each, bounds_of) for each in condition.conditions)
        case AnyOf():
            return any(may_hold(each, bounds_of) for each in condition.conditions)
        case Comparison(left=Property() as left, right=Constant() as right):
            steps = left.path.steps
            if len(steps) != 1 or not isinstance(steps[0], str) or right.value is None:
                return True
            bounds = bounds_of(steps[0])
            return bounds is None or _may_compare(condition.operator, bounds, right.value)
        case _:
            return True


def _may_compare(operator: str, bounds: Bounds, value: Scalar) -> bool:
    if operator in {"!=", "==+"}:
        return operator == "!=" or bounds.least is not None
    if bounds.least is None:
        return False
    if not _are_ordered(bounds, value):
        return True
    match operator:
        case "==":
            return bool(bounds.least <= value <= bounds.largest)
        case "<":
            return bool(bounds.least < value)
        case "<=":
            return bool(bounds.least <= value)
        case ">":
            return bool(bounds.largest > value)
        case _:
            return bool(bounds.largest >= value)


def _are_ordered(bounds: Bounds, value: Scalar) -> bool:
    """Whether all three can be compared: numbers, or texts."""
    every = (bounds.least, bounds.largest, value)
    if all(isinstance(each, str) for each in every):
        return True
    return all(
        isinstance(each, int | float) and not isinstance(each, bool) and not math.isnan(each)
        for each in every
    )
