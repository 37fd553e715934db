"""A query at work: events go in, rows come out.

The one thing to know: whatever the order of its text, a query samples first, then tests, collects
a window, groups, selects, and only then has, orders and limits. It holds no more than `limits`
say, and `dropped` counts what had no room.
"""

from collections.abc import Sequence
from typing import Any, Literal

from projections.query.aggregates import EXTRAPOLATED, rollup_of
from projections.query.anomalies import Deviating
from projections.query.joins import Joined
from projections.query.limits import GROUPS_MAX
from projections.query.patterns import PatternError
from projections.query.rows import projected, published
from projections.query.sampling import Draw, taker_of
from projections.query.scanner import QueryError
from projections.query.syntax import (
    Aggregate,
    Negated,
    Operand,
    Path,
    Prefixed,
    Property,
    Query,
    name_of,
)
from projections.query.testing import Clock, operand_of, tested
from projections.query.values import Event, Getter, Row, descended, frozen, getter_of, sort_key
from projections.query.windows import TimedEvents, window_of

Mode = Literal["full", "client", "server"]
"""``server``: only what a publisher does, sample, test and project all that the query names;
``client``: the rest of it, where the source has sampled already."""


class Running:
    """One query over one stream of events."""

    def __init__(
        self, query: Query, draw: Draw, mode: Mode = "full", *, is_compat: bool = False
    ) -> None:
        """``draw``: chance, for random samples; ``is_compat``: rows are called as Mantis does.

        Raises `QueryError` for what reads well and cannot be asked.
        """
        self.query = query
        self.mode = mode
        self.now_ms = 0
        self.is_over = False
        """No event that comes can change what has been said: the limit is reached."""
        self.is_warming = False
        """Joins hold what comes, and say no pair: what is read again to rebuild them."""
        self._is_compat = is_compat
        try:
            self._test = tested(query.where, self._clock) if query.where else None
            self._having = tested(query.having, self._clock) if query.having else None
        except PatternError as error:
            raise QueryError(str(error), query.text, error.position) from error
        sample = query.sample if mode != "client" else None
        self._take = taker_of(sample, self._clock, draw) if sample else None
        self._is_held = mode != "server" and (
            query.is_aggregate
            or query.window is not None
            or query.order is not None
            or bool(query.group)
        )
        self._window = window_of(query.window)
        aliased = mode == "client"
        self._project = (
            published(query)
            if mode == "server"
            else projected(query, self._clock, are_aliases_kept=aliased)
        )
        self._groups = _Groups(query.group)
        self._rollup = _Rollup(query, self._clock, are_aliases_kept=aliased, is_compat=is_compat)
        self._deviating = Deviating(query.anomaly) if query.anomaly and mode != "server" else None
        # A publisher has one side of a pair, and cannot test what the query says of both.
        self._joined = Joined(query) if query.joins and mode != "server" else None
        if query.joins and mode == "server":
            self._test = None
        self._streams = {*query.streams, *(name for join in query.joins for name in join.streams)}
        self._said = 0
        # As in Mantis: of what a window says as one, the limit counts the windows.
        self._is_limited_by_windows = query.window is not None and not query.group

    def _clock(self) -> int:
        return self.now_ms

    @property
    def is_held(self) -> bool:
        """Whether rows come of windows, and not of single events or pairs."""
        return self._is_held

    @property
    def held(self) -> int:
        """Events that windows and joins hold now."""
        return self._window.held + (self._joined.held if self._joined is not None else 0)

    @property
    def said(self) -> int:
        """Rows, or windows, that the limit has counted; set where a query goes on."""
        return self._said

    @said.setter
    def said(self, count: int) -> None:
        self._said = count

    @property
    def window_begins_ms(self) -> int | None:
        """When the next window of time begins; None before the first event, or without one."""
        return self._window.begins_ms if isinstance(self._window, TimedEvents) else None

    @window_begins_ms.setter
    def window_begins_ms(self, at_ms: int | None) -> None:
        if isinstance(self._window, TimedEvents):
            self._window.begins_ms = at_ms

    @property
    def dropped(self) -> int:
        """Events for which a window or the groups had no room."""
        joined = self._joined.dropped if self._joined is not None else 0
        return self._window.dropped + self._groups.dropped + joined

    def push(self, event: Event, now_ms: int, stream: str | None = None) -> list[Row]:
        """Take an event of that time, in milliseconds since 1970; the rows that come of it.

        ``stream``: what it is of; None where there is but one, which is then the query's first.
        """
        self.now_ms = now_ms
        if self.is_over:
            return []
        if stream is not None and stream not in self._streams:
            return self.tick(now_ms)
        if self._take is not None and not self._take(event):
            return self.tick(now_ms)
        if self._joined is None:
            return self._push(event, now_ms)
        pairs = self._joined.push(event, stream or self.query.streams[0], now_ms)
        if self.is_warming:
            return []
        rows = self.tick(now_ms)
        for pair in pairs:
            rows += self._push(pair, now_ms)
        return rows

    def _push(self, event: Event, now_ms: int) -> list[Row]:
        if self._test is not None and not self._test(event):
            return self.tick(now_ms) if self._is_held else []
        if self._is_held:
            return self._rows(self._window.push(event, now_ms))
        if self.mode == "server":
            return [self._project(event)]
        return self._single(event)

    def tick(self, now_ms: int) -> list[Row]:
        """The rows of windows that have ended by then."""
        self.now_ms = now_ms
        return self._rows(self._window.tick(now_ms)) if self._is_held else []

    def close(self) -> list[Row]:
        """The rows that are left at the end of the stream."""
        return self._rows(self._window.close()) if self._is_held else []

    def _single(self, event: Event) -> list[Row]:
        limit = self.query.limit
        if limit is not None and self._said >= limit:
            self.is_over = True
            return []
        row = self._project(event)
        if self._deviating is not None and not self._deviating(row):
            return []
        if self._having is not None and not self._having(row):
            return []
        self._said += 1
        self.is_over = limit is not None and self._said >= limit
        return [row]

    def _rows(self, windows: list[list[Event]]) -> list[Row]:
        rows: list[Row] = []
        for events in windows:
            if self._is_limited_by_windows and self._is_limit_reached():
                break
            self._said += 1
            rows += self._finished(self._of_window(events))
        return rows

    def _is_limit_reached(self) -> bool:
        limit = self.query.limit
        self.is_over = limit is not None and self._said >= limit
        return self.is_over

    def _of_window(self, events: list[Event]) -> list[Row]:
        query = self.query
        groups = self._groups.of(events) if query.group else [events]
        if query.is_aggregate:
            return [self._rollup.row_of(each) for each in groups]
        return [self._project(each) for group in groups for each in group]

    def _finished(self, rows: list[Row]) -> list[Row]:
        query = self.query
        if self._deviating is not None:
            rows = [each for each in rows if self._deviating(each)]
        if self._having is not None:
            rows = [each for each in rows if self._having(each)]
        if query.order is not None:
            path, is_reversed = query.order.path, query.order.is_descending
            rows = sorted(rows, key=lambda each: sort_key(_of_row(each, path)), reverse=is_reversed)
        is_cut = query.limit is not None and not self._is_limited_by_windows
        return rows[: query.limit] if is_cut else rows


def _of_row(row: Row, path: Path) -> Any:
    """A value of a row, which may be nested or called by its whole path."""
    found = descended(row, path.steps)
    return row.get(path.name) if found is None else found


class _Groups:
    """Events by the values of some properties, in the order in which groups first came."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._getters = [getter_of(each) for each in paths]
        self.dropped = 0

    def of(self, events: list[Event]) -> list[list[Event]]:
        """The events of each group."""
        groups: dict[Any, list[Event]] = {}
        for event in events:
            key = tuple(frozen(get(event)) for get in self._getters)
            group = groups.get(key)
            if group is not None:
                group.append(event)
            elif len(groups) < GROUPS_MAX:
                groups[key] = [event]
            else:
                self.dropped += 1
        return list(groups.values())


class _Rollup:
    """The row of a window or a group: functions of all its events, and the first values in it."""

    def __init__(
        self, query: Query, clock: Clock, *, are_aliases_kept: bool, is_compat: bool
    ) -> None:
        self._writers: list[tuple[str, Any, float, float]] = []
        """Name, function, and by what it grows: of events, and of none."""
        self._firsts: list[tuple[str, Getter]] = []
        # A client hears what was sampled elsewhere, and does not reckon it up; as in Mantis.
        sample = None if are_aliases_kept else query.sample
        grows = sample is not None and sample.extrapolate and sample.threshold > 0
        factor = sample.factor / sample.threshold if sample is not None and grows else 1.0
        for item in query.items:
            if isinstance(item, Aggregate):
                called = item.alias
                name = _name_of(item, is_compat=is_compat) if called is None else called
                scale = factor if grows and item.function in EXTRAPOLATED else 0.0
                # As in Mantis: of no events, what has a name of its own stays a whole 0.
                scale_of_none = scale if called is None else 0.0
                self._writers.append((name, rollup_of(item, clock), scale, scale_of_none))
            else:
                name = _first_name(item, is_aliased=are_aliases_kept)
                self._firsts.append((name, operand_of(item, clock)))

    def row_of(self, events: list[Event]) -> Row:
        """The row; what is null stays in it."""
        row: Row = {name: _first(value_of, events) for name, value_of in self._firsts}
        for name, rollup, scale, scale_of_none in self._writers:
            value, factor = rollup(events), scale if events else scale_of_none
            row[name] = value * factor if factor and value is not None else value
        return row


def _first(value_of: Getter, events: list[Event]) -> Any:
    """The first value that is not null; of no events there is none, not even of a constant."""
    return next((value for event in events if (value := value_of(event)) is not None), None)


def _first_name(operand: Operand, *, is_aliased: bool) -> str:
    if is_aliased and not isinstance(operand, Negated | Prefixed) and operand.alias is not None:
        return operand.alias
    return operand.path.name if isinstance(operand, Property) else name_of(operand)


def _name_of(aggregate: Aggregate, *, is_compat: bool) -> str:
    if is_compat and aggregate.operand is None:
        return f"{aggregate.function}((.*.))"
    return aggregate.name
