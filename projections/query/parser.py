"""From the text of a query to its tree.

The one thing to know: this is the grammar of Mantis' MQL as its engine 3.4.0 reads it, with one
reading where that has several: what can be a clause is one, a list of plain operands is a query of
single events, and ``&&`` and ``||`` end a bare word.
"""

from math import isfinite
from typing import Final, cast

from projections.query.conditions import ConditionReader
from projections.query.limits import (
    QUERY_CHARACTERS_MAX,
    WINDOW_EVENTS_MAX,
    WINDOW_S_MAX,
)
from projections.query.operands import OperandReader
from projections.query.sample_words import sample_of
from projections.query.scanner import NUMBER, STREAM, QueryError, Scanner
from projections.query.syntax import (
    Aggregate,
    Anomaly,
    CountWindow,
    Function,
    Join,
    Operand,
    Order,
    Path,
    Query,
    Sample,
    TimeWindow,
)

FUNCTIONS: Final = (
    *("P995", "P99", "P95", "P90", "P75", "P50", "P25", "P10", "P5", "P1"),
    *("COUNT", "SUM", "MIN", "MAX", "AVERAGE", "LIST"),
)


def parse(text: str) -> Query:
    """The query; raises `QueryError`, which names line and column."""
    if len(text) > QUERY_CHARACTERS_MAX:
        what = f"The query has {len(text)} characters; {QUERY_CHARACTERS_MAX} are the most"
        raise QueryError(what, text[:200], 0)
    if not is_text(text):
        place = next(at for at, each in enumerate(text) if not is_text(each))
        raise QueryError("Half a surrogate pair is no character", text, place)
    return _Parser(text.strip()).query()


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8, which a lone surrogate cannot; patterns need that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Parser:
    """One text on its way to a tree."""

    def __init__(self, text: str) -> None:
        self.scanner = Scanner(text)
        self.operands = OperandReader(self.scanner)
        self.conditions = ConditionReader(self.scanner, self.operands)

    def query(self) -> Query:
        scanner = self.scanner
        if not scanner.keyword("select"):
            raise scanner.error()
        items = self._items()
        streams, joins = self._sources()
        is_named = bool(streams)
        window = self._window() if is_named else None
        where = self.conditions.read() if scanner.clause("where") else None
        group = self._group() if is_named else ()
        is_aggregate = any(isinstance(each, Aggregate) for each in items)
        if is_aggregate and not is_named:
            scanner.expect("FROM", "from")
            raise scanner.error()
        anomaly = self._anomaly()
        may_have = is_named and bool(items)
        having = self.conditions.tests() if may_have and scanner.clause("having") else None
        order, limit = self._order_and_limit(is_named=may_have, is_aggregate=is_aggregate)
        sample = self._sample()
        if not scanner.is_at_end:
            raise scanner.error()
        return Query(
            text=scanner.text,
            items=items,
            streams=streams or ("stream",),
            joins=joins,
            window=window,
            where=where,
            group=group,
            anomaly=anomaly,
            having=having,
            order=order,
            limit=limit,
            sample=sample,
        )

    def _items(self) -> tuple[Operand | Aggregate, ...]:
        if self.scanner.literal("*"):
            return ()
        items = [self._item()]
        while self._comma():
            items.append(self._item())
        return tuple(items)

    def _comma(self) -> bool:
        """Whether a comma stands here, with whitespace before or after it."""
        scanner = self.scanner
        began = scanner.position
        scanner.space()
        if scanner.literal(",") is None:
            scanner.position = began
            return False
        scanner.space()
        return True

    def _item(self) -> Operand | Aggregate:
        scanner = self.scanner
        began = scanner.position
        aggregate = self._aggregate()
        if aggregate is not None:
            return aggregate
        scanner.position = began
        return self.operands.read()

    def _aggregate(self) -> Aggregate | None:
        scanner = self.scanner
        function = scanner.literal(*FUNCTIONS, *(each.lower() for each in FUNCTIONS))
        if function is None or scanner.literal("(") is None:
            return None
        is_distinct = False
        operand: Operand | None = None
        if scanner.literal("*") is None:
            is_distinct = scanner.keyword("distinct")
            operand = self.operands.property() if is_distinct else self.operands.read()
        if scanner.literal(")") is None:
            raise scanner.error()
        alias = self.operands.alias()
        return Aggregate(cast("Function", function.upper()), operand, is_distinct, alias)

    def _sources(self) -> tuple[tuple[str, ...], tuple[Join, ...]]:
        if not self.scanner.clause("from"):
            return (), ()
        streams, joins = self._streams(), []
        while self.scanner.clause("join"):
            joins.append(self._join())
        return streams, tuple(joins)

    def _streams(self) -> tuple[str, ...]:
        names = [self._stream()]
        while self._comma():
            names.append(self._stream())
        return tuple(names)

    def _stream(self) -> str:
        self.operands.counted()
        name = self.scanner.match(STREAM, "the name of a stream")
        if name is None:
            raise self.scanner.error()
        return name

    def _join(self) -> Join:
        scanner = self.scanner
        streams = self._streams()
        self._demand_space()
        began = scanner.position
        within_s = self._number()
        if within_s != int(within_s) or not 0 < within_s <= WINDOW_S_MAX:
            what = f"A join takes whole seconds, 1 to {WINDOW_S_MAX:.0f}"
            raise scanner.refused(what, began)
        if not (scanner.clause("seconds") and scanner.keyword("on")):
            raise scanner.error()
        return Join(streams, int(within_s), self.operands.path())

    def _window(self) -> TimeWindow | CountWindow | None:
        scanner = self.scanner
        if not scanner.clause("window"):
            return None
        began = scanner.position
        if scanner.literal("|"):
            events = self._number()
            if scanner.literal("|") is None:
                raise scanner.error()
            if events != int(events) or not 1 <= events <= WINDOW_EVENTS_MAX:
                what = f"A window counts 1 to {WINDOW_EVENTS_MAX} events"
                raise scanner.refused(what, began)
            return CountWindow(int(events))
        span_s = shift_s = self._number()
        after = scanner.position
        if scanner.space() and (shift := scanner.match(NUMBER, "a number")) is not None:
            shift_s = float(shift)
        else:
            scanner.position = after
        if not (0 < span_s <= WINDOW_S_MAX and 0 < shift_s <= WINDOW_S_MAX):
            what = f"A window spans more than 0 and at most {WINDOW_S_MAX:.0f} seconds"
            raise scanner.refused(what, began)
        return TimeWindow(span_s, shift_s)

    def _group(self) -> tuple[Path, ...]:
        if not self.scanner.clause("group by"):
            return ()
        paths = [self.operands.path()]
        while self._comma():
            self.operands.counted()
            paths.append(self.operands.path())
        return tuple(paths)

    def _anomaly(self) -> Anomaly | None:
        scanner = self.scanner
        if not scanner.clause("anomaly"):
            return None
        if scanner.literal("mad", "MAD") is None:
            raise scanner.error()
        self._demand_space()
        path = self.operands.path()
        self._demand_space()
        began = scanner.position
        size = self._number()
        self._demand_space()
        deviations = self._number()
        if not (1 <= size <= WINDOW_EVENTS_MAX and deviations >= 0):
            what = f"An anomaly looks at 1 to {WINDOW_EVENTS_MAX} values, and deviations from 0"
            raise scanner.refused(what, began)
        return Anomaly(path, size, deviations)

    def _order_and_limit(
        self, *, is_named: bool, is_aggregate: bool
    ) -> tuple[Order | None, int | None]:
        """Normal queries limit first, aggregates order first; where both readings fit, either."""
        if not is_aggregate:
            limit = self._limit()
            order = self._order()
            if limit is None and is_named:
                limit = self._limit()
            return order, limit
        order = self._order()
        return order, self._limit()

    def _order(self) -> Order | None:
        if not self.scanner.clause("order by"):
            return None
        path = self.operands.path()
        began = self.scanner.position
        if self.scanner.space() and self.scanner.keyword("desc", is_spaced=False):
            return Order(path, is_descending=True)
        self.scanner.position = began
        return Order(path)

    def _limit(self) -> int | None:
        if not self.scanner.clause("limit"):
            return None
        began = self.scanner.position
        limit = self._number()
        if limit != int(limit) or limit < 0:
            raise self.scanner.refused("A limit is a whole number from 0", began)
        return int(limit)

    def _sample(self) -> Sample | None:
        return sample_of(self.scanner) if self.scanner.clause("sample") else None

    def _number(self) -> float:
        found = self.scanner.match(NUMBER, "a number")
        if found is None:
            raise self.scanner.error()
        number = float(found)
        if not isfinite(number):
            place = self.scanner.position - len(found)
            raise self.scanner.refused("The number is too large", place)
        return number

    def _demand_space(self) -> None:
        if not self.scanner.space():
            raise self.scanner.error()
