"""What a query says, as a tree: the result of parsing, and all that answering goes by.

The one thing to know: a bare word is one flat key of an event, dots and all; only ``e['a']['b']``
descends. Source of the grammar: MQL as Mantis' engine 3.4.0 reads it.
"""

from typing import Final, Literal, assert_never

import msgspec

from projections.query.texts import text_of_part

STAR: Final = "*"
"""A step of a starred path that stands for every element of a list or value of a map."""

Scalar = str | int | float | bool | None
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "==+"]
"""``=`` is read as ``==`` and ``<>`` as ``!=``; ``==+`` asks for a part of a string."""
Function = Literal[
    "COUNT", "SUM", "MIN", "MAX", "AVERAGE", "LIST",
    "P1", "P5", "P10", "P25", "P50", "P75", "P90", "P95", "P99", "P995",
]  # fmt: skip


class Node(msgspec.Struct, frozen=True):
    """A part of a query; its fields say it all."""


class Path(Node, frozen=True):
    """Where in an event a value is: keys, and places in lists, counted from the end if below 0."""

    steps: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """How the value is called in rows of aggregates and groups."""
        return ".".join(map(str, self.steps))


class StarPath(Node, frozen=True):
    """A path with one `STAR` among its steps: true if it is for any of what the star stands for."""

    before: tuple[str | int, ...]
    after: tuple[str | int, ...]


class Property(Node, frozen=True):
    """A value of the event."""

    path: Path
    alias: str | None = None


class Prefixed(Node, frozen=True):
    """All keys of the event that begin so (``e[^'prefix']``)."""

    prefix: str


class Constant(Node, frozen=True):
    """A value that stands in the query."""

    value: Scalar
    alias: str | None = None


class Tick(Node, frozen=True):
    """The time at which the event is looked at, in milliseconds since 1970."""

    alias: str | None = None


class Negated(Node, frozen=True):
    """``!x``: true where x is false, null or not there."""

    operand: "Property | Constant"


Operand = Property | Prefixed | Constant | Tick | Negated


class Aggregate(Node, frozen=True):
    """A function over all events of a window, or of a group in it; no operand is ``*``."""

    function: Function
    operand: Operand | None
    is_distinct: bool = False
    alias: str | None = None

    @property
    def name(self) -> str:
        """How its result is called without ``AS``."""
        return f"{self.function}({name_of(self.operand)})"


class Comparison(Node, frozen=True):
    """Two operands and what must hold between them."""

    operator: Operator
    left: Operand | StarPath
    right: Operand


class Match(Node, frozen=True):
    """The whole of an operand's string must be as the pattern says."""

    operand: Operand
    pattern: str
    position: int = 0
    """Where in the query's text it stands."""


class Not(Node, frozen=True):
    """The opposite of a condition."""

    condition: "Condition"


class AllOf(Node, frozen=True):
    """Every one of these."""

    conditions: tuple["Condition", ...]


class AnyOf(Node, frozen=True):
    """At least one of these."""

    conditions: tuple["Condition", ...]


class Always(Node, frozen=True):
    """``WHERE true`` or ``WHERE false``."""

    is_true: bool


Condition = Comparison | Match | Not | AllOf | AnyOf | Always


class TimeWindow(Node, frozen=True):
    """So many seconds of events, every so many seconds: tumbling where both are equal."""

    span_s: float
    shift_s: float


class CountWindow(Node, frozen=True):
    """So many events at a time."""

    events: int


class Join(Node, frozen=True):
    """Pairs with events of other streams with the same value, not older than so many seconds."""

    streams: tuple[str, ...]
    within_s: int
    path: Path


class Anomaly(Node, frozen=True):
    """Only rows whose value lies so many median deviations from the median of the last ``size``."""

    path: Path
    size: float
    deviations: float


class Order(Node, frozen=True):
    """Rows by the value of one property."""

    path: Path
    is_descending: bool = False


class Sample(Node, frozen=True):
    """Which part of the events is looked at at all."""

    strategy: Literal["RANDOM", "STICKY", "RPS"]
    threshold: float
    factor: float = 10_000
    keys: tuple[str, ...] = ()
    salt: int = 0
    extrapolate: bool = False


class Query(Node, frozen=True):
    """A whole query."""

    text: str
    items: tuple[Operand | Aggregate, ...]
    """Empty: ``*``, everything."""
    streams: tuple[str, ...] = ("stream",)
    joins: tuple[Join, ...] = ()
    window: TimeWindow | CountWindow | None = None
    where: Condition | None = None
    group: tuple[Path, ...] = ()
    anomaly: Anomaly | None = None
    having: Condition | None = None
    order: Order | None = None
    limit: int | None = None
    sample: Sample | None = None

    @property
    def is_aggregate(self) -> bool:
        """Whether rows tell of windows and not of single events."""
        return any(isinstance(each, Aggregate) for each in self.items)


def name_of(operand: Operand | None) -> str:
    """How an operand is called in a row; ``*`` for all."""
    match operand:
        case None:
            return "*"
        case Property():
            return operand.path.name
        case Prefixed():
            return operand.prefix
        case Constant():
            return text_of(operand.value)
        case Tick():
            return "tick"
        case Negated():
            return f"!{name_of(operand.operand)}"
    assert_never(operand)


def text_of(value: Scalar) -> str:
    """A value as a key: ``true``, not ``True``."""
    return text_of_part(value)
