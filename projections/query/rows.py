"""What single events become: rows of the values asked for.

The one thing to know: a value that is null or not there is left out, and an event with nothing
left is still a row, an empty one. ``AS`` on plain properties counts only where the query is a
client's; at a publisher every property that the query names anywhere goes along, as it is named.
"""

from collections.abc import Callable, Iterator

from projections.query.syntax import (
    Aggregate,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Match,
    Negated,
    Not,
    Operand,
    Path,
    Prefixed,
    Property,
    Query,
    StarPath,
    name_of,
)
from projections.query.testing import Clock, operand_of
from projections.query.values import Event, Row, descended, getter_of, put_into

Project = Callable[[Event], Row]
Write = Callable[[Event, Row], None]


def projected(query: Query, clock: Clock, *, are_aliases_kept: bool) -> Project:
    """The row of an event, by what the query selects; the event itself for ``*``."""
    if not query.items:
        return dict
    operands = [each for each in query.items if not isinstance(each, Aggregate)]
    return _writing([writer_of(each, clock, is_aliased=are_aliases_kept) for each in operands])


def published(*queries: Query) -> Project:
    """What a publisher sends on of an event: all that the queries name, nested as it is named."""
    if any(not query.items or any(map(_takes_all, query.items)) for query in queries):
        return dict
    steps: dict[tuple[str | int, ...], None] = {}
    prefixes: dict[str, None] = {}
    for operand in (each for query in queries for each in named(query)):
        if isinstance(operand, Prefixed):
            prefixes[operand.prefix] = None
        elif operand:
            steps[operand] = None
        else:
            return dict  # A star of the event itself looks at every key.
    writers = [_list_writer(each) for each in steps]
    writers += [_prefix_writer(each) for each in prefixes]
    return _writing(writers)


def _takes_all(item: Operand | Aggregate) -> bool:
    return isinstance(item, Aggregate) and item.operand is None


def _list_writer(steps: tuple[str | int, ...]) -> Write:
    """Writes the value, or the whole of a list on the way to it, so that its places stay."""
    place = next((place for place, step in enumerate(steps) if isinstance(step, int)), None)
    if place is None:
        return _path_writer(steps)
    before = steps[:place]

    def write(event: Event, row: Row) -> None:
        value = descended(event, before)
        if isinstance(value, list | tuple):
            put_into(row, before, value)

    return write


def _writing(writers: list[Write]) -> Project:
    def project(event: Event) -> Row:
        row: Row = {}
        for write in writers:
            write(event, row)
        return row

    return project


def writer_of(operand: Operand, clock: Clock, *, is_aliased: bool) -> Write:
    """Writes an operand's value into a row."""
    if isinstance(operand, Prefixed):
        return _prefix_writer(operand.prefix)
    alias = None if isinstance(operand, Negated) or not is_aliased else operand.alias
    if isinstance(operand, Property) and alias is None:
        return _path_writer(operand.path.steps)
    name = name_of(operand) if alias is None else alias
    value_of = operand_of(operand, clock)

    def write(event: Event, row: Row) -> None:
        value = value_of(event)
        if value is not None:
            row[name] = value

    return write


def _path_writer(steps: tuple[str | int, ...]) -> Write:
    if len(steps) == 1 and isinstance(steps[0], str):
        key = steps[0]
        get = getter_of(Path(steps))

        def write_flat(event: Event, row: Row) -> None:
            value = get(event)
            if value is not None:
                row[key] = value

        return write_flat

    def write(event: Event, row: Row) -> None:
        value = descended(event, steps)
        if value is not None:
            put_into(row, steps, value)

    return write


def _prefix_writer(prefix: str) -> Write:
    def write(event: Event, row: Row) -> None:
        row |= {
            key: value
            for key, value in event.items()
            if key.startswith(prefix) and value is not None
        }

    return write


def named(query: Query) -> Iterator[tuple[str | int, ...] | Prefixed]:
    """Every property of the stream's events that the query names."""
    for item in query.items:
        yield from _of_operand(item.operand if isinstance(item, Aggregate) else item)
    if query.where is not None:
        yield from _of_condition(query.where)
    yield from (each.steps for each in query.group)
    yield from (each.path.steps for each in query.joins)
    if query.order is not None:
        yield query.order.path.steps
    if query.having is not None:
        yield from _of_condition(query.having)
    if query.anomaly is not None:
        yield query.anomaly.path.steps


def named_in(condition: Condition) -> Iterator[tuple[str | int, ...] | Prefixed]:
    """Every property that a condition names."""
    yield from _of_condition(condition)


def _of_operand(operand: Operand | StarPath | None) -> Iterator[tuple[str | int, ...] | Prefixed]:
    match operand:
        case Property():
            yield operand.path.steps
        case Prefixed():
            yield operand
        case Negated():
            yield from _of_operand(operand.operand)
        case StarPath():
            yield operand.before
        case _:
            return


def _of_condition(condition: Condition) -> Iterator[tuple[str | int, ...] | Prefixed]:
    match condition:
        case Not():
            yield from _of_condition(condition.condition)
        case AllOf() | AnyOf():
            for each in condition.conditions:
                yield from _of_condition(each)
        case Match():
            yield from _of_operand(condition.operand)
        case Comparison():
            yield from _of_operand(condition.left)
            yield from _of_operand(condition.right)
        case _:
            return
