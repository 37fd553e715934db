"""The best host for one task after the other, in as few steps as there are hosts to fill.

The one thing to know: tasks are placed one by one in meaning and by the hostful in fact. Where no
part of the fitness falls as tasks arrive, the best host stays the best until it is full, so it is
filled at once; the answer is the same as one by one.
"""

from typing import NamedTuple

from scheduler.placement.columns import Array
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.reasons import Standing, standing_of


class Found(NamedTuple):
    """Who stood first and second when the first task was placed."""

    first: Standing | None
    second: Standing | None


NOBODY = Found(None, None)


def fill(index: Index, prepared: Prepared, keys: Array, count: int, choices: list[Choice]) -> Found:
    """Put up to ``count`` tasks on the best hosts, into ``choices``; ``keys`` is used up."""
    at = index.columns.at
    row = int(keys.argmax())
    key = keys.item(row)
    if key < 0:
        return NOBODY
    keys[row] = -1
    next_row = int(keys.argmax())
    next_key = keys.item(next_row)
    first = standing_of(index, prepared, at(row), key)
    second = None
    if next_key >= 0:
        second = standing_of(index, prepared, at(next_row), next_key)
    is_growing = prepared.is_growing
    left = count
    while True:
        slot = at(row)
        room = index.room(slot, prepared)
        taken = min(room, left) if is_growing else 1
        choices += index.take(slot, prepared, taken)
        left -= taken
        if not left:
            break
        if not is_growing:
            key = index.key(slot, prepared)
            if key > next_key:
                continue
            keys[row] = key
            next_row = int(keys.argmax())
            next_key = keys.item(next_row)
        if next_key < 0:
            break
        row, key = next_row, next_key
        keys[row] = -1
        next_row = int(keys.argmax())
        next_key = keys.item(next_row)
    return Found(first, second)
