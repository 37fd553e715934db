"""One balanced attribute, and hosts that only get better as they fill: the commonest balance.

The one thing to know: the answers are those of `scheduler.placement.balance`, which walks any
request; here the numbers of each value's best host are kept at hand, because nearly all tasks with
a balance come this way and each is a step of its own.
"""

from scheduler.placement.arrivals import arrive
from scheduler.placement.columns import (
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    SUM_SHIFT,
)
from scheduler.placement.index import Index, amounts_room, total_of
from scheduler.placement.levels import ladder_of
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.scales import FEW, Partition, Scale
from scheduler.placement.slot import UNIT_BITS, Slot
from scheduler.placement.steps import is_simple

_FULL = (1 << FULLNESS_BITS) - 1
_NOWHERE = -1


class _Filling:
    """The best host of one value while it is being filled."""

    __slots__ = ("base", "choice", "fixed", "packed", "room", "slot", "step", "taken")

    def __init__(self, index: Index, prepared: Prepared, slot: Slot, key: int) -> None:
        need = prepared.request.need
        self.slot = slot
        self.choice = Choice(slot.host_id)
        self.room = amounts_room(slot, prepared)
        self.taken = 0
        self.packed = slot.packed
        self.step = need.cpu_milli * slot.cpu_unit + need.memory_mib * slot.memory_unit
        """What one task packs."""
        self.base = index.columns.standing.item(slot.row) & ~(_FULL << RANK_BITS)
        """The lower bits of its key that do not change."""
        self.fixed = total_of(key) - _points(index, prepared, slot)
        """The part of its weighted sum that does not change."""


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
    ladder = ladder_of(prepared, scale, tuple([each.values[0] for each in partitions]))
    level = ladder.begin(tuple(scale.counts.values()))
    for _ in range(count):
        best, best_key = _NOWHERE, -1
        for place, worth in enumerate(ladder.worths[level]):
            key = keys[place]
            if key >= 0 <= worth and key + worth > best_key:
                best, best_key = place, key + worth
        if best == _NOWHERE:
            break
        now = filling[best]
        if now is None:
            partition = partitions[best]
            slot = index.columns.at(partition.rows.item(partition.best))
            now = filling[best] = _Filling(index, prepared, slot, keys[best])
            filled.append(now)
        choices.append(now.choice)
        now.taken += 1
        if now.taken < now.room:
            keys[best] = _key_after(index, prepared, now)
        else:
            partition = partitions[best]
            partition.keys[partition.best] = -1
            partition.find()
            keys[best], filling[best] = partition.key, None
        after = ladder.after[level][best]
        level = after if after >= 0 else ladder.step(level, best)
    for each in filled:
        _bring_up_to_date(index, prepared, each)


def _key_after(index: Index, prepared: Prepared, now: _Filling) -> int:
    """The key of the host for one more task, with one more on it."""
    packed = now.packed = now.packed + now.step
    if prepared.is_packing:
        # What `fitness.packing` says of the host, with this task and with the next.
        points = ((packed + now.step) >> (UNIT_BITS + 1)) * prepared.of_amounts[0][0]
    else:
        need, slot = prepared.request.need, now.slot
        slot.cpu_free -= need.cpu_milli
        slot.memory_free -= need.memory_mib
        slot.packed = packed
        points = _points(index, prepared, slot)
    fullness = min(packed >> FULLNESS_SHIFT, _FULL)
    return ((now.fixed + points) << SUM_SHIFT) | now.base | (fullness << RANK_BITS)


def _points(index: Index, prepared: Prepared, slot: Slot) -> int:
    """What the parts that change with free cpu and memory give for one more task."""
    request, now_ms = prepared.request, index.columns.now_ms
    points = 0
    for weight, part in prepared.of_amounts:
        points += int(part(request, slot, now_ms)) * weight
    return points


def _bring_up_to_date(index: Index, prepared: Prepared, now: _Filling) -> None:
    """Undo what was counted on the slot alone, and put all of its tasks there at once."""
    slot = now.slot
    if not prepared.is_packing:
        need = prepared.request.need
        counted = now.taken - (now.taken == now.room)  # The last one that fits is not worked out.
        slot.cpu_free += counted * need.cpu_milli
        slot.memory_free += counted * need.memory_mib
        slot.packed -= counted * now.step
    arrive(index.columns, prepared.request, slot, now.taken)
