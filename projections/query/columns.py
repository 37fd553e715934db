"""Conditions and projections over columns: a thousand events in one step.

The one thing to know: a column expression says exactly what the function of `testing` says of each
event; a test that has no expression over columns is that function, called for each row. So the two
ways differ in speed alone, which a test holds them to.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from projections.query.batches import Column, ColumnBatch
from projections.query.patterns import PLAIN, WORDS, PatternError, is_literal, test_of
from projections.query.rows import named, named_in, projected, published
from projections.query.scanner import QueryError
from projections.query.syntax import (
    AllOf,
    Always,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Match,
    Not,
    Operator,
    Prefixed,
    Property,
    Query,
    Scalar,
)
from projections.query.testing import COMPARE, Clock, tested
from projections.query.texts import text_of_part
from projections.query.values import Row

Mask = Any
"""A pyarrow array of truth values without nulls."""
EXACT_MAX: Final = 2**53
"""Up to here a float has every whole number, so that comparing as floats is exact."""
NARROW: Final = 4
"""A dear test is asked of what is left alone, where less than this part of the rows is."""
CHEAP: Final = 1
DEAR: Final = 8
ROW_BY_ROW: Final = 64
_ORDERS: Final[dict[Operator, Any]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


class Expression(NamedTuple):
    """A condition over columns, what it costs a row, and the keys that it looks at."""

    mask: Callable[[ColumnBatch], Mask]
    cost: int
    keys: tuple[str, ...] | None
    """None: all there are."""


class ColumnQuery:
    """The part of a query that looks at one event at a time: what is tested, and what is shown."""

    def __init__(self, query: Query, clock: Clock, *, is_published: bool = False) -> None:
        """``is_published``: rows are what a publisher sends; else what the query selects.

        Raises `QueryError` for a pattern that cannot be used.
        """
        self.query = query
        self._where = None
        if query.where is not None:
            try:
                self._where = expression_of(query.where, clock)
            except PatternError as error:
                raise QueryError(str(error), query.text, error.position) from error
        self._keys = _flat_keys(query, is_published=is_published)
        self._project = (
            published(query) if is_published else projected(query, clock, are_aliases_kept=False)
        )
        self.keys = _keys_named(query)
        """Every key that is looked at; None: all there are."""

    def places(self, batch: ColumnBatch) -> Any:
        """Where in the batch the events are that the query wants."""
        if self._where is None:
            return pa.array(np.arange(batch.rows_total))
        return _places(self._where.mask(batch))

    def rows(self, batch: ColumnBatch) -> list[Row]:
        """The rows of the events that the query wants, in their order."""
        if self._keys is None:
            return [self._project(each) for each in self._wanted(batch).rows()]
        return list(self._wanted(batch, self._keys).rows(self._keys))  # type: ignore[arg-type] # dictionaries of these keys

    def _wanted(self, batch: ColumnBatch, keys: Sequence[str] | None = None) -> ColumnBatch:
        if self._where is None:
            return batch
        return batch.taken(self.places(batch), keys)


def _places(mask: Mask) -> Any:
    return pc.indices_nonzero(mask)


def _flat_keys(query: Query, *, is_published: bool) -> tuple[str, ...] | None:
    """The keys of a row, where each is a key of the event; None where rows are made otherwise."""
    if not query.items:
        return None
    if is_published:
        steps: dict[str | int, None] = {}
        for path in named(query):
            if isinstance(path, Prefixed) or len(path) != 1:
                return None
            steps |= dict.fromkeys(path)
        whole = any(isinstance(each, Prefixed) for each in query.items)
        is_all = any(getattr(each, "operand", ...) is None for each in query.items)
        return None if whole or is_all else tuple(map(str, steps))
    keys: dict[str, None] = {}
    for item in query.items:
        if not isinstance(item, Property) or len(item.path.steps) != 1:
            return None
        keys[str(item.path.steps[0])] = None
    return tuple(keys)


def _keys_named(query: Query) -> tuple[str, ...] | None:
    if not query.items or any(getattr(each, "operand", ...) is None for each in query.items):
        return None
    return _first_steps(named(query))


def _first_steps(paths: Any) -> tuple[str, ...] | None:
    keys: dict[str, None] = {}
    for each in paths:
        if isinstance(each, Prefixed) or not each:
            return None  # What begins so, or a star of the event itself: any key.
        keys[str(each[0])] = None
    return tuple(keys)


def expression_of(condition: Condition, clock: Clock) -> Expression:
    """The condition over columns; raises `PatternError` for a pattern that cannot be used."""
    match condition:
        case Always():
            is_true = condition.is_true
            return Expression(lambda batch: _same(batch, is_true=is_true), 0, ())
        case Not():
            inner = expression_of(condition.condition, clock)
            return Expression(lambda batch: pc.invert(inner.mask(batch)), inner.cost, inner.keys)
        case AllOf():
            return _all_of([expression_of(each, clock) for each in condition.conditions])
        case AnyOf():
            return _any_of([expression_of(each, clock) for each in condition.conditions])
        case Match():
            return _matched(condition) or _row_by_row(condition, clock)
        case Comparison():
            return _compared(condition) or _row_by_row(condition, clock)
    assert_never(condition)


def _same(batch: ColumnBatch, *, is_true: bool) -> Mask:
    return pa.array(np.full(batch.rows_total, is_true))


def _joined_keys(parts: Sequence[Expression]) -> tuple[str, ...] | None:
    keys: dict[str, None] = {}
    for part in parts:
        if part.keys is None:
            return None
        keys |= dict.fromkeys(part.keys)
    return tuple(keys)


def _all_of(parts: Sequence[Expression]) -> Expression:
    ordered = sorted(parts, key=lambda each: each.cost)

    def mask(batch: ColumnBatch) -> Mask:
        found = ordered[0].mask(batch)
        for part in ordered[1:]:
            left = found.true_count
            if not left:
                return found
            if part.cost >= DEAR and left * NARROW < batch.rows_total:
                found = _within(part, batch, found)
            else:
                found = pc.and_(found, part.mask(batch))
        return found

    return Expression(mask, sum(each.cost for each in parts), _joined_keys(parts))


def _any_of(parts: Sequence[Expression]) -> Expression:
    ordered = sorted(parts, key=lambda each: each.cost)

    def mask(batch: ColumnBatch) -> Mask:
        found = ordered[0].mask(batch)
        for part in ordered[1:]:
            left = batch.rows_total - found.true_count
            if not left:
                return found
            if part.cost >= DEAR and left * NARROW < batch.rows_total:
                found = pc.or_(found, _within(part, batch, pc.invert(found)))
            else:
                found = pc.or_(found, part.mask(batch))
        return found

    return Expression(mask, sum(each.cost for each in parts), _joined_keys(parts))


def _within(part: Expression, batch: ColumnBatch, chosen: Mask) -> Mask:
    """Which of the chosen rows the part holds for; it is asked of these alone."""
    places = _places(chosen)
    inside = part.mask(batch.taken(places, part.keys))
    found = np.zeros(batch.rows_total, dtype=bool)
    found[places.to_numpy()[inside.to_numpy(zero_copy_only=False)]] = True
    return pa.array(found)


def _row_by_row(condition: Condition, clock: Clock) -> Expression:
    """The function of `testing`, for what no column expression is there."""
    test = tested(condition, clock)
    keys = _first_steps(named_in(condition))

    def mask(batch: ColumnBatch) -> Mask:
        return pa.array([test(row) for row in batch.rows(keys)], type=pa.bool_())

    return Expression(mask, ROW_BY_ROW, keys)


def _flat_key(operand: object) -> str | None:
    if isinstance(operand, Property) and len(operand.path.steps) == 1:
        return str(operand.path.steps[0]) if isinstance(operand.path.steps[0], str) else None
    return None


def _compared(condition: Comparison) -> Expression | None:
    """The comparison of a flat key with a constant."""
    key = _flat_key(condition.left)
    if key is None or not isinstance(condition.right, Constant):
        return None
    operator, value = condition.operator, condition.right.value
    compare = COMPARE[operator]

    def mask(batch: ColumnBatch) -> Mask:
        column = batch.columns.get(key)
        if column is None:
            return _same(batch, is_true=compare(None, value))
        found = None if isinstance(column, list) else _typed(operator, column, value)
        if found is None:
            values = batch.values(key)
            return pa.array([compare(each, value) for each in values], type=pa.bool_())
        return found

    return Expression(mask, DEAR if operator == "==+" else CHEAP, (key,))


def _typed(operator: Operator, column: Column, value: Scalar) -> Mask | None:
    """The comparison of a whole column; None where it has to be made value by value."""
    if value is None:
        if operator in {"==", "!="}:
            return column.is_null() if operator == "==" else column.is_valid()
        return pa.array(np.zeros(len(column), dtype=bool))
    if operator == "==+":
        if not pa.types.is_string(column.type):
            return None
        return _no_nulls(pc.match_substring(column, text_of_part(value)))
    if operator in {"==", "!="}:
        is_same_kind = _is_kind_of(column, value)
        found = (
            _no_nulls(pc.equal(column, pa.scalar(value, column.type)))
            if is_same_kind
            else pa.array(np.zeros(len(column), dtype=bool))
        )
        return found if operator == "==" else pc.invert(found)
    return _ordered(operator, column, value)


def _is_kind_of(column: Column, value: Scalar) -> bool:
    """Whether a value of the column can be equal to this one: 5 is not 5.0."""
    kind = column.type
    match value:
        case bool():
            return bool(pa.types.is_boolean(kind))
        case int():
            return bool(pa.types.is_int64(kind)) and -(2**63) <= value < 2**63
        case float():
            return bool(pa.types.is_float64(kind))
        case _:
            return bool(pa.types.is_string(kind))


def _ordered(operator: Operator, column: Column, value: Scalar) -> Mask | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (pa.types.is_int64(column.type) or pa.types.is_float64(column.type)):
        return pa.array(np.zeros(len(column), dtype=bool))
    assert isinstance(value, int | float)
    if pa.types.is_float64(column.type):
        if isinstance(value, int) and abs(value) > EXACT_MAX:
            return None
        bound = pa.scalar(float(value), pa.float64())
    else:
        whole = _whole_bound(operator, value)
        if whole is None:
            return None
        bound = pa.scalar(whole, pa.int64())
    return _no_nulls(_ORDERS[operator](column, bound))


def _whole_bound(operator: Operator, value: float) -> int | None:
    """The whole number that divides whole numbers as the value does; None if there is none."""
    if not math.isfinite(value):
        return None
    whole = math.ceil(value) if operator in {"<", ">="} else math.floor(value)
    return whole if -(2**63) <= whole < 2**63 else None


def _no_nulls(mask: Mask) -> Mask:
    return mask.fill_null(False) if mask.null_count else mask


def _matched(condition: Match) -> Expression | None:
    """The pattern over a column of texts; RE2 is what tests single texts as well."""
    key = _flat_key(condition.operand)
    if key is None:
        return None
    pattern = condition.pattern
    try:
        test = test_of(pattern)
    except PatternError as error:
        error.position = condition.position
        raise
    whole = _whole_pattern(pattern)
    is_of_texts = is_literal(pattern)

    def mask(batch: ColumnBatch) -> Mask:
        column = batch.columns.get(key)
        if column is None:
            return _same(batch, is_true=False)
        if isinstance(column, list) or not pa.types.is_string(column.type):
            if is_of_texts and not isinstance(column, list):
                return _same(batch, is_true=False)
            by_row = tested(condition, lambda: 0)
            return pa.array([by_row({key: each}) for each in batch.values(key)], type=pa.bool_())
        found = whole(column)
        if found is None:
            values = batch.values(key)
            return pa.array([each is not None and test(each) for each in values], type=pa.bool_())
        return _no_nulls(found)

    return Expression(mask, DEAR, (key,))


def _whole_pattern(pattern: str) -> Callable[[Column], Mask | None]:
    """The pattern over a column of texts; a function that gives None has to be replaced."""
    plain = PLAIN.fullmatch(pattern)
    if plain is not None:
        word = plain["word"]
        if plain["left"] and plain["right"]:
            return lambda column: pc.match_substring(column, word)
        if plain["left"]:
            return lambda column: pc.ends_with(column, word)
        if plain["right"]:
            return lambda column: pc.starts_with(column, word)
        return lambda column: pc.equal(column, pa.scalar(word, pa.string()))
    words = WORDS.fullmatch(pattern)
    if words is not None:
        first, *more = words["words"].split("|")

        def any_word(column: Column) -> Mask:
            found = pc.match_substring(column, first)
            for word in more:
                found = pc.or_(found, pc.match_substring(column, word))
            return found

        return any_word
    anchored = rf"\A(?s:{pattern})\z"

    def by_pattern(column: Column) -> Mask | None:
        try:
            return pc.match_substring_regex(column, anchored)
        except pa.ArrowInvalid:
            return None

    return by_pattern
