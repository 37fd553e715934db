"""Getting values out of events, and putting them into rows.

The one thing to know: a value that is null and one that is not there are the same to a query. A
number is equal to one of its kind only: 5 is not 5.0, as in the engine of Mantis.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from projections.query.syntax import Path, StarPath

Event = Mapping[str, Any]
Row = dict[str, Any]
Getter = Callable[[Event], Any]

TYPE_RANKS: Final = {bool: 1, int: 2, float: 2, str: 3}
OTHER_RANK: Final = 4


def getter_of(path: Path) -> Getter:
    """A function that gives the value at the path, or None."""
    steps = path.steps
    if len(steps) == 1:
        key = steps[0]
        if isinstance(key, str):
            return lambda event: event.get(key)
    return lambda event: descended(event, steps)


def descended(value: Any, steps: tuple[str | int, ...]) -> Any:
    """What is found by going down these steps; None where there is no way."""
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
        else:
            if not isinstance(value, list | tuple) or not -len(value) <= step < len(value):
                return None
            value = value[step]
    return value


def many_getter_of(path: StarPath) -> Callable[[Event], list[Any]]:
    """A function that gives the values at a starred path, one for each that the star stands for."""
    before, after = path.before, path.after

    def many(event: Event) -> list[Any]:
        found = descended(event, before)
        if isinstance(found, Mapping):
            found = list(found.values())
        if not isinstance(found, list | tuple):
            return []
        return [descended(each, after) for each in found] if after else list(found)

    return many


def put_into(row: Row, steps: tuple[str | int, ...], value: Any) -> None:
    """Write a value into a row, nested as the path is; list places become keys."""
    here = row
    for step in steps[:-1]:
        there = here.get(str(step))
        if not isinstance(there, dict):
            # What another path has put there whole is not changed in the event that it is of.
            there = dict(there) if isinstance(there, Mapping) else {}
        here[str(step)] = there
        here = there
    here[str(steps[-1])] = value


def is_equal(left: Any, right: Any) -> bool:
    """Whether both are the same: of one kind of number, and in lists and maps as well."""
    if left is None or right is None:
        return left is right
    if isinstance(left, bool | int | float) or isinstance(right, bool | int | float):
        return type(left) is type(right) and left == right
    return bool(left == right)


def is_number(value: Any) -> bool:
    """Whether it is a number that can be compared and summed."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def sort_key(value: Any) -> tuple[int, Any]:
    """Places any value in one order: nothing, truth values, numbers, strings, all else."""
    if value is None:
        return 0, 0
    rank = TYPE_RANKS.get(type(value), OTHER_RANK)
    if rank == OTHER_RANK:
        return rank, str(value)
    if value != value:  # noqa: PLR0124 - a number that is none has no place among the others
        return rank, float("-inf")
    return rank, value


def frozen(value: Any) -> Any:
    """The value as a key of a dictionary, told apart as `is_equal` does."""
    if isinstance(value, Mapping):
        return ("map", tuple(sorted((str(key), frozen(each)) for key, each in value.items())))
    if isinstance(value, list | tuple):
        return ("list", tuple(frozen(each) for each in value))
    return type(value).__name__, value
