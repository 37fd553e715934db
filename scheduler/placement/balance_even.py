"""One balanced attribute on hosts that are all alike, so that packing alone tells them apart.

The one thing to know: the answers are those of `scheduler.placement.balance`. Here all of them come
out of the columns: no host is asked for its slot, and what a host has follows from its packing and
from what the balance gives it. Nearly all tasks with a balance come this way.
"""

from collections.abc import Sequence
from typing import Final, cast

from scheduler.placement.arrivals import UNCHANGED, arrive
from scheduler.placement.columns import (
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    SUM_SHIFT,
    Array,
    Even,
)
from scheduler.placement.index import ENDLESS, Index
from scheduler.placement.levels import ladder_of
from scheduler.placement.outcome import Choice, Parts
from scheduler.placement.plain import POINT_SHIFT, scores_of
from scheduler.placement.prepared import Prepared
from scheduler.placement.reasons import SOFT, Standing
from scheduler.placement.scales import FEW, Scale
from scheduler.placement.search import NOBODY, Found
from scheduler.placement.slot import Slot
from scheduler.placement.steps import is_simple

_FULL: Final = (1 << FULLNESS_BITS) - 1
_FULL_PACKED: Final = _FULL << FULLNESS_SHIFT
_KEPT: Final = "even"
"""Under this name `Prepared.levels` has what requests of a manner share."""


class _Shared:
    """What requests of one manner share as long as hosts do not come, go or change."""

    def __init__(self, index: Index, prepared: Prepared, even: Even) -> None:
        name, is_hard, weight = prepared.balances[0]
        self.even = even
        self.version = index.columns.version
        self.name = name
        self.values = index.columns.values(name)
        partitions = index.columns.partitions((name,))
        self.rows = [rows for _, rows in partitions]
        scale = Scale(dict.fromkeys(self.values, 0), prepared, weight, is_hard=is_hard)
        self.ladder = ladder_of(prepared, scale, tuple([values[0] for values, _ in partitions]))
        self.scores = scores_of(prepared, even)
        self._prepared = prepared
        self._known: dict[tuple[int, int], tuple[int, Parts]] = {}

    def of(self, packing: int, worth: int) -> tuple[int, Parts]:
        """Fitness and parts, as a reason names them; ``worth`` is what the balance gives."""
        known = self._known.get((packing, worth))
        if known is None:
            prepared, scores = self._prepared, self.scores
            _, parts = scores.of(packing)
            if prepared.soft_weight:
                parts = (*parts, (SOFT, worth // prepared.soft_weight))
            total = scores.fixed + packing * scores.weight + worth
            known = self._known[packing, worth] = (total // prepared.weight, parts)
        return known


class _Host:
    """The best host of one value while it gets tasks."""

    __slots__ = ("base", "choice", "left", "packed", "slot", "taken")

    def __init__(self, slot: Slot, packed: int, base: int, left: int) -> None:
        self.slot = slot
        self.choice = Choice(slot.host_id)
        self.packed = packed
        self.base = base
        """The lower bits of its key that do not change."""
        self.left = left
        """Tasks that it still has room for."""
        self.taken = 0


def fill_even(
    index: Index, prepared: Prepared, keys: Array, count: int, choices: list[Choice]
) -> Found | None:
    """What `fill_balanced` does; None: this way does not serve here."""
    if not prepared.is_packed_alone or len(prepared.balances) != 1:
        return None
    even = index.columns.even()
    if even is None or not is_simple(index, prepared):
        return None
    shared = prepared.levels.get(_KEPT)
    if (
        not isinstance(shared, _Shared)
        or shared.even is not even
        or shared.version != index.columns.version
    ):
        shared = prepared.levels[_KEPT] = _Shared(index, prepared, even)
    if len(shared.values) > FEW:
        return None
    return _Filling(index, prepared, keys, shared).fill(count, choices)


class _Filling:
    """Tasks of one request on their way to the best hosts; lists are by partition of the rows."""

    def __init__(self, index: Index, prepared: Prepared, keys: Array, shared: _Shared) -> None:
        need = prepared.request.need
        self._columns = index.columns
        self._request = prepared.request
        self._cpu, self._memory = need.cpu_milli, need.memory_mib
        self._step = self._cpu * shared.even.cpu_unit + self._memory * shared.even.memory_unit
        """What one task packs."""
        self._shared = shared
        self._keys_of = [keys[rows] for rows in shared.rows]
        self._best = [int(each.argmax()) for each in self._keys_of]
        """Where the best host stands among those of its partition."""
        self._keys = [each.item(best) for each, best in zip(self._keys_of, self._best, strict=True)]
        self._then: dict[int, int] = {}
        """Where the best but one stands, if that is known."""
        self._hosts: list[_Host | None] = [None] * len(shared.rows)

    def fill(self, count: int, choices: list[Choice]) -> Found:
        """Put up to ``count`` tasks where host and balance together stand highest."""
        shared, keys, hosts, step = self._shared, self._keys, self._hosts, self._step
        there = self._columns.counts(self._request.job_id, shared.name)
        ladder = shared.ladder
        level = ladder.begin([there.get(value, 0) for value in shared.values])
        found = self._found(ladder.worths[level])
        fixed, weight = shared.scores.fixed, shared.scores.weight
        for _ in range(count):
            best = best_key = -1
            for place, worth in enumerate(ladder.worths[level]):
                key = keys[place]
                if key >= 0 <= worth and key + worth > best_key:
                    best, best_key = place, key + worth
            if best < 0:
                break
            host = hosts[best]
            if host is None:
                host = hosts[best] = self._begin(best)
            choices.append(host.choice)
            host.taken += 1
            if host.taken < host.left:
                packed = host.packed = host.packed + step
                fullness = packed >> FULLNESS_SHIFT if packed < _FULL_PACKED else _FULL
                total = fixed + ((packed + step) >> POINT_SHIFT) * weight
                keys[best] = total << SUM_SHIFT | host.base | fullness << RANK_BITS
            else:
                self._end(best, host)
            after = ladder.after[level][best]
            level = after if after >= 0 else ladder.step(level, best)
        for host in hosts:
            if host is not None:
                arrive(self._columns, self._request, host.slot, host.taken)
        return found

    def _begin(self, place: int) -> _Host:
        """The best host of the partition, to be filled."""
        columns, best = self._columns, self._best[place]
        self._keys_of[place][best] = -1
        row = self._shared.rows[place].item(best)
        room = ENDLESS
        if self._cpu > 0:
            room = columns.cpu_free.item(row) // self._cpu
        if self._memory > 0:
            room = min(room, columns.memory_free.item(row) // self._memory)
        slot = cast("Slot", columns.slots[row])  # A row that has a key has a host.
        base = columns.standing.item(row) & UNCHANGED
        return _Host(slot, columns.packed.item(row), base, room)

    def _end(self, place: int, host: _Host) -> None:
        """The host is full: the next one is the best of the partition."""
        arrive(self._columns, self._request, host.slot, host.taken)
        self._hosts[place] = None
        best = self._then.pop(place, -1)
        if best < 0:
            best = int(self._keys_of[place].argmax())
        self._best[place] = best
        self._keys[place] = self._keys_of[place].item(best)

    def _found(self, worths: Sequence[int]) -> Found:
        """Who stands first for the next task, and who second: of the same partition or another."""
        totals = [
            key + worth if key >= 0 <= worth else -1
            for key, worth in zip(self._keys, worths, strict=True)
        ]
        total = max(totals, default=-1)
        if total < 0:
            return NOBODY
        place = totals.index(total)
        first = self._standing(place, self._best[place], worths[place])
        keys, best = self._keys_of[place], self._best[place]
        keys[best] = -1  # From now on it is known by its number among the best.
        then = self._then[place] = int(keys.argmax())
        key = keys.item(then)
        totals[place] = key + worths[place] if key >= 0 else -1
        total = max(totals)
        if total < 0:
            return Found(first, None)
        if totals[place] == total:
            return Found(first, self._standing(place, then, worths[place]))
        place = totals.index(total)
        return Found(first, self._standing(place, self._best[place], worths[place]))

    def _standing(self, place: int, best: int, worth: int) -> Standing:
        row = self._shared.rows[place].item(best)
        slot = cast("Slot", self._columns.slots[row])  # A row that has a key has a host.
        points = (self._columns.packed.item(row) + self._step) >> POINT_SHIFT
        return Standing(slot.host_id, *self._shared.of(points, worth >> SUM_SHIFT))
