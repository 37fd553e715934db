"""One balanced attribute, and hosts that only get better as they fill: the commonest balance.

The one thing to know: the answers are those of `scheduler.placement.balance`, which walks any
request; here the numbers of each value's best host are kept at hand, because nearly all tasks with
a balance come this way and each is a step of its own.
"""

from scheduler.placement.columns import (
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    SUM_SHIFT,
)
from scheduler.placement.index import Index, amounts_room
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.scales import FEW, Partition, Scale
from scheduler.placement.slot import Slot
from scheduler.placement.steps import is_simple

_FULL = (1 << FULLNESS_BITS) - 1
_NOWHERE = -1


class _Filling:
    """The best host of one value while it is being filled."""

    __slots__ = ("base", "choice", "room", "slot", "taken")

    def __init__(self, index: Index, prepared: Prepared, slot: Slot) -> None:
        self.slot = slot
        self.choice = Choice(slot.host_id)
        self.room = amounts_room(slot, prepared)
        self.taken = 0
        self.base = index.columns.standing_of(slot) & ~(_FULL << RANK_BITS)
        """The lower bits of its key that do not change."""


def is_growing_alone(index: Index, prepared: Prepared, scale: Scale) -> bool:
    """Whether `fill_growing` answers as one step after the other would."""
    return (
        len(prepared.balances) == 1
        and prepared.cap is None
        and prepared.is_growing
        and len(scale.counts) <= FEW
        and is_simple(index, prepared)
    )


def fill_growing(
    index: Index,
    prepared: Prepared,
    partitions: list[Partition],
    scale: Scale,
    *,
    count: int,
    choices: list[Choice],
) -> None:
    """Put up to ``count`` tasks on the best hosts; the table of hosts is brought up to date."""
    filled: list[_Filling] = []
    filling: list[_Filling | None] = [None] * len(partitions)
    keys = [each.key for each in partitions]
    weighed = scale.worth
    worths = _by_place(scale, partitions)
    try:
        for _ in range(count):
            best, best_key = _NOWHERE, -1
            for place, key in enumerate(keys):
                worth = worths[place]
                if key >= 0 <= worth and key + worth > best_key:
                    best, best_key = place, key + worth
            if best == _NOWHERE:
                return
            partition = partitions[best]
            now = filling[best]
            if now is None:
                slot = index.columns.at(partition.rows.item(partition.best))
                now = filling[best] = _Filling(index, prepared, slot)
                filled.append(now)
            choices.append(now.choice)
            now.taken += 1
            if now.taken < now.room:
                keys[best] = _key_after(index, prepared, now)
            else:
                partition.keys[partition.best] = -1
                partition.find()
                keys[best], filling[best] = partition.key, None
            if scale.add(partition.values[0]) and scale.worth is not weighed:
                weighed = scale.worth
                worths = _by_place(scale, partitions)
    finally:
        for each in filled:
            _bring_up_to_date(index, prepared, each)


def _by_place(scale: Scale, partitions: list[Partition]) -> list[int]:
    """What the balance adds to the key of each partition's hosts; below 0: nothing may go there."""
    worth, otherwise = scale.worth, scale.otherwise
    found = [worth.get(each.values[0], otherwise) for each in partitions]
    return [each << SUM_SHIFT if each >= 0 else _NOWHERE for each in found]


def _key_after(index: Index, prepared: Prepared, now: _Filling) -> int:
    """The key of the host for one more task, with one more on it."""
    request, slot, now_ms = prepared.request, now.slot, index.columns.now_ms
    need = request.need
    slot.cpu_free -= need.cpu_milli
    slot.memory_free -= need.memory_mib
    slot.packed += need.cpu_milli * slot.cpu_unit + need.memory_mib * slot.memory_unit
    total = 0
    for _, weight, part in prepared.parts:
        total += int(part(request, slot, now_ms)) * weight
    if prepared.soft_total:
        total += index.soft_of(slot, prepared)
    fullness = slot.packed >> FULLNESS_SHIFT
    return (total << SUM_SHIFT) | now.base | (min(fullness, _FULL) << RANK_BITS)


def _bring_up_to_date(index: Index, prepared: Prepared, now: _Filling) -> None:
    """Undo what was counted on the slot alone, and put all of its tasks there at once."""
    need, slot = prepared.request.need, now.slot
    counted = now.taken - (now.taken == now.room)  # The last one that fits is not worked out.
    slot.cpu_free += counted * need.cpu_milli
    slot.memory_free += counted * need.memory_mib
    slot.packed -= counted * (need.cpu_milli * slot.cpu_unit + need.memory_mib * slot.memory_unit)
    index.take(slot, prepared, now.taken)
