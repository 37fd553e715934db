"""Hosts in the order of their free cpu: what refuses a request for cpu and memory, at little cost.

The one thing to know: this answers for requests that fit on no host and that only cpu and memory
can refuse. Then a host lacks cpu or else memory, so the order by cpu parts them, and the nearest of
those that lack memory is the one with most of it. It is made when several requests are asked about
at the same state of the hosts; the answers are those of `scheduler.placement.explain`.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np

from scheduler.model.resources import Need
from scheduler.placement.columns import RANK_BITS, Array, Columns

SHORT_BITS: Final = 30
"""A whole need is 2**30 of shortfall."""
NEED_MAX: Final = 1 << SHORT_BITS
_RANK_MASK: Final = (1 << RANK_BITS) - 1
_FAR: Final = 1 << 62


class Nearest(NamedTuple):
    """How many hosts lack it first, and the row of the one that lacks least of all together."""

    hosts: int
    row: int


class ByCpu:
    """All hosts as they are at one place of the log of changes."""

    def __init__(self, columns: Columns) -> None:
        ranks = columns.ranks
        # Of hosts with equal cpu the last is the one with most memory and, of those, least rank.
        richness: Array = (columns.memory_free << RANK_BITS) | (_RANK_MASK - ranks)
        order = richness.argsort()
        order = order[columns.cpu_free[order].argsort(kind="stable")]
        memory: Array = columns.memory_free[order]
        self._memory = memory
        self._rows = order
        self._cpus: list[int] = columns.cpu_free[order].tolist()
        self._memories: list[int] = memory.tolist()
        self._ranks: Array = ranks[order]
        self._richest: Array = np.maximum.accumulate(richness[order][::-1])[::-1]
        self._row_of_rank: Array = np.empty(len(order), np.int64)
        self._row_of_rank[ranks] = np.arange(len(order))
        self._richer: dict[int, int] = {}

    def lacking_cpu(self, need: Need) -> Nearest | None:
        """The hosts that have too little cpu; None: there are none.

        A host with as much of both is nearer than one with less, so only hosts with more memory
        than all those with more cpu are looked at: a handful.
        """
        cpu, memory = need.cpu_milli, need.memory_mib
        cpus, memories, rank = self._cpus, self._memories, self._ranks.item
        hosts = bisect_left(cpus, cpu)
        if not hosts:
            return None
        per_cpu = NEED_MAX // cpu if cpu > 0 else 0
        per_memory = NEED_MAX // memory if memory > 0 else 0
        if not per_cpu:
            return Nearest(hosts, self._rows.item(self._least_missing(hosts, memory)))
        at, best, best_short = hosts - 1, -1, _FAR
        while at >= 0:
            short = (cpu - cpus[at]) * per_cpu
            if short > best_short:
                break
            missing = memory - memories[at]
            is_enough = missing <= 0 or not per_memory
            if is_enough:
                at = self._least_rank(at, memory if per_memory else None)
            else:
                short += missing * per_memory
            if short < best_short or (short == best_short and rank(at) < rank(best)):
                best, best_short = at, short
            if is_enough:
                break
            at = self._richer_before(at)
        return Nearest(hosts, self._rows.item(best))

    def lacking_memory(self, without_cpu: int) -> Nearest | None:
        """The hosts that lack memory only, where so many lack cpu; None: there are none."""
        hosts = len(self._rows) - without_cpu
        if not hosts:
            return None
        rank = _RANK_MASK - (self._richest.item(without_cpu) & _RANK_MASK)
        return Nearest(hosts, self._row_of_rank.item(rank))

    def _richer_before(self, at: int) -> int:
        """The last place before this one with more memory; -1: there is none."""
        found = self._richer.get(at)
        if found is None:
            places = (self._memory[:at] > self._memories[at]).nonzero()[0]
            found = self._richer[at] = places.item(-1) if len(places) else -1
        return found

    def _least_rank(self, last: int, memory_mib: int | None) -> int:
        """Of the places with as much cpu as this last one, and so much memory, first by rank."""
        cpus = self._cpus
        if not last or cpus[last - 1] != cpus[last]:
            return last
        begin = bisect_left(cpus, cpus[last])
        if memory_mib is not None:
            begin = bisect_left(self._memories, memory_mib, begin, last + 1)
        return min(range(begin, last + 1), key=self._ranks.item)

    def _least_missing(self, hosts: int, memory_mib: int) -> int:
        """Where cpu counts nothing: the place that lacks least memory, of equal ones by rank."""
        missing = [max(0, memory_mib - each) for each in self._memories[:hosts]]
        return min(range(hosts), key=lambda at: (missing[at], self._ranks.item(at)))
