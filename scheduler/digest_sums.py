"""Sums by which two folds that differ find the entity in which they do.

The one thing to know: an entity has a value v (its part of the digest) and a number k of its key.
Beside the sum of all v there is the sum of all v*k. Where two folds differ in one entity only, the
first sums differ by d and the second by k*d, so that k is their quotient, and whoever knows the
keys knows the entity. Sums of every entity would tell nothing where two differ; so entities are
spread over cells by their key's number, each cell holding about half of what is left. Of however
many differences, some cell has a single one with good probability.

So a checkpoint of a few kilobytes names the entity at once, without another fold of the log and
without asking the leader, who may be gone.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from zlib import crc32

from scheduler.model.codec import encode_value
from scheduler.model.events import KindSums, SumCell

CELLS_MAX: Final = 16
"""The last cell holds what is left: three entities of 100,000."""
KeysOf = Callable[[str], Iterable[object]]
"""Answers with the keys of the entities of one kind."""
_LAST: Final = 1 << (CELLS_MAX - 1)


def key_number(key: object) -> int:
    """The number of an entity's key, below 2**32, the same in every process."""
    return crc32(key.encode() if isinstance(key, str) else encode_value(key))


def sums_of(parts: Mapping[str, Mapping[object, int]]) -> tuple[KindSums, ...]:
    """The sums of entities, given the value of each by kind and key; kinds without any left out."""
    return tuple(KindSums(kind, _cells(parts[kind])) for kind in sorted(parts) if parts[kind])


def _cells(values: Mapping[object, int]) -> tuple[SumCell, ...]:
    """Half of all numbers are in the first cell, half of the others in the second, and so on."""
    cells: dict[int, list[int]] = {}
    for key, value in values.items():
        number = key_number(key)
        low = number | _LAST
        cell = cells.setdefault(low & -low, [0, 0, 0])
        cell[0] += 1
        cell[1] += value
        cell[2] += value * number
    places = (cells.get(1 << at, [0, 0, 0]) for at in range(max(cells).bit_length()))
    return tuple(SumCell(count, f"{total:x}", f"{weighted:x}") for count, total, weighted in places)


_EMPTY: Final = SumCell(0, "0", "0")


def first_difference(
    ours: tuple[KindSums, ...], theirs: tuple[KindSums, ...], keys_of: KeysOf
) -> str:
    """In words, where two states differ: the kind, and the first entity that can be named."""
    our_kinds = {each.kind: each.cells for each in ours}
    their_kinds = {each.kind: each.cells for each in theirs}
    for kind in sorted(our_kinds.keys() | their_kinds.keys()):
        our_cells, their_cells = our_kinds.get(kind, ()), their_kinds.get(kind, ())
        if our_cells != their_cells:
            return f"kind {kind}: {_entity(kind, our_cells, their_cells, keys_of)}"
    return "no kind of entity differs: the writer's sums do not belong to its digest"


def _entity(
    kind: str, ours: tuple[SumCell, ...], theirs: tuple[SumCell, ...], keys_of: KeysOf
) -> str:
    numbers: dict[int, int] = {}
    differing = 0
    for at in range(max(len(ours), len(theirs))):
        our = ours[at] if at < len(ours) else _EMPTY
        their = theirs[at] if at < len(theirs) else _EMPTY
        if our == their:
            continue
        differing += 1
        total = int(our.total, 16) - int(their.total, 16)
        weighted = int(our.weighted, 16) - int(their.weighted, 16)
        if total and weighted % total == 0 and 0 <= weighted // total < 1 << 32:
            numbers[weighted // total] = our.count - their.count
    named = sorted(
        (str(key), numbers[key_number(key)]) for key in keys_of(kind) if key_number(key) in numbers
    )
    if named:
        key, more = named[0]
        side = "which the leader does not have" if more > 0 else "which the leader has otherwise"
        return f"the first entity that differs and can be named is {key}, {side}"
    if any(count < 0 for count in numbers.values()):
        return "the leader has an entity that this fold does not have"
    return f"{differing} parts of it differ, in more entities than the sums can name"
