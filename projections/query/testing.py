"""Conditions as functions of an event.

The one thing to know: null equals null and nothing else, and every other comparison with it is
false; so is an order between things that are no numbers. Conditions never raise.
"""

from collections.abc import Callable
from typing import Any, Final, assert_never

from projections.query.patterns import PatternError, is_literal, test_of
from projections.query.syntax import (
    AllOf,
    Always,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Match,
    Negated,
    Not,
    Operand,
    Operator,
    Prefixed,
    Property,
    StarPath,
    Tick,
)
from projections.query.texts import text_of_value
from projections.query.values import (
    Event,
    Getter,
    getter_of,
    is_equal,
    is_number,
    many_getter_of,
)

Test = Callable[[Event], bool]
Compare = Callable[[Any, Any], bool]
Clock = Callable[[], int]


def _contains(left: Any, right: Any) -> bool:
    text, part = text_of_value(left), text_of_value(right)
    return text is not None and part is not None and part in text


def _ordered(compare: Compare) -> Compare:
    return lambda left, right: is_number(left) and is_number(right) and compare(left, right)


COMPARE: Final[dict[Operator, Compare]] = {
    "==": is_equal,
    "!=": lambda left, right: not is_equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "==+": _contains,
}


def operand_of(operand: Operand, clock: Clock) -> Getter:
    """The value of an operand in an event."""
    match operand:
        case Property():
            return getter_of(operand.path)
        case Constant():
            value = operand.value
            return lambda _: value
        case Tick():
            return lambda _: clock()
        case Negated():
            inner = operand_of(operand.operand, clock)
            return lambda event: inner(event) in (None, False)
        case Prefixed():
            prefix = operand.prefix
            return lambda event: {
                key: value for key, value in event.items() if key.startswith(prefix)
            }
    assert_never(operand)


def tested(condition: Condition, clock: Clock) -> Test:
    """The condition as a function; raises `PatternError` for a pattern that cannot be used."""
    match condition:
        case Always():
            is_true = condition.is_true
            return lambda _: is_true
        case Not():
            inner = tested(condition.condition, clock)
            return lambda event: not inner(event)
        case AllOf():
            return _all_of(tuple(tested(each, clock) for each in condition.conditions))
        case AnyOf():
            return _any_of(tuple(tested(each, clock) for each in condition.conditions))
        case Match():
            return _matched(condition, clock)
        case Comparison():
            return _compared(condition, clock)
    assert_never(condition)


def _all_of(parts: tuple[Test, ...]) -> Test:
    if len(parts) == 2:
        first, second = parts
        return lambda event: first(event) and second(event)
    return lambda event: all(each(event) for each in parts)


def _any_of(parts: tuple[Test, ...]) -> Test:
    if len(parts) == 2:
        first, second = parts
        return lambda event: first(event) or second(event)
    return lambda event: any(each(event) for each in parts)


def _matched(condition: Match, clock: Clock) -> Test:
    value_of = operand_of(condition.operand, clock)
    try:
        test = test_of(condition.pattern)
    except PatternError as error:
        error.position = condition.position
        raise

    def matched(event: Event) -> bool:
        value = value_of(event)
        return isinstance(value, str) and test(value)

    def text_matched(event: Event) -> bool:
        text = text_of_value(value_of(event))
        return text is not None and test(text)

    # As in Mantis: a pattern that is but a word is a string, and equal to no number.
    return matched if is_literal(condition.pattern) else text_matched


def _compared(condition: Comparison, clock: Clock) -> Test:
    compare = COMPARE[condition.operator]
    right_of = operand_of(condition.right, clock)
    if isinstance(condition.left, StarPath):
        many = many_getter_of(condition.left)

        def any_compared(event: Event) -> bool:
            right = right_of(event)
            return any(compare(left, right) for left in many(event))

        return any_compared
    quick = _quick(condition)
    if quick is not None:
        return quick
    left_of = operand_of(condition.left, clock)
    return lambda event: compare(left_of(event), right_of(event))


def _quick(condition: Comparison) -> Test | None:
    """The comparison most queries are made of: one flat key and one constant."""
    left, right = condition.left, condition.right
    if not (isinstance(left, Property) and isinstance(right, Constant)):
        return None
    steps, value = left.path.steps, right.value
    if len(steps) != 1 or not isinstance(steps[0], str) or value is None:
        return None
    key, compare = steps[0], COMPARE[condition.operator]
    if condition.operator == "==" and isinstance(value, str):
        return lambda event: event.get(key) == value
    if condition.operator == "==+" and isinstance(value, str):

        def contains(event: Event) -> bool:
            there = event.get(key)
            if type(there) is str:
                return value in there
            return _contains(there, value)

        return contains
    return lambda event: compare(event.get(key), value)
