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
_NEAR: Final = 16
"""Places that are looked at one by one; more of them cost less all at once."""
_LISTED_FROM: Final = 16
"""From so many questions on, making a list to bisect costs less than asking an array."""


class Nearest(NamedTuple):
    """How many hosts lack it first, and the row of the one that lacks least of all together."""

    hosts: int
    row: int


class ByCpu:
    """All hosts as they are at one place of the log of changes."""

    def __init__(self, columns: Columns) -> None:
        ranks = columns.ranks
        places = np.arange(len(ranks))
        # Of hosts with equal cpu the last is the one with most memory and, of those, least rank.
        richness: Array = (columns.memory_free << RANK_BITS) | (_RANK_MASK - ranks)
        order = np.empty_like(ranks)
        order[richness.argsort()] = places
        order |= columns.cpu_free << RANK_BITS
        order = order.argsort()
        self._cpu: Array = columns.cpu_free[order]
        self._memory: Array = columns.memory_free[order]
        self._ranks: Array = ranks[order]
        self._richest: Array = np.maximum.accumulate(richness[order][::-1])[::-1]
        self._row_of_rank: Array = np.empty_like(ranks)
        self._row_of_rank[ranks] = places
        self._asked = 0
        self._cpus: list[int] | None = None
        self._known: dict[int, tuple[int, int, int, int]] = {}
        """By place, what `_learn` found."""
        self._groups: dict[int, _Group] = {}

    def lacking_cpu(self, need: Need) -> Nearest | None:
        """The hosts that have too little cpu; None: there are none.

        A host with as much of both is nearer than one with less, so only hosts with more memory
        than all those with more cpu are looked at: a handful.
        """
        cpu, memory = need.cpu_milli, need.memory_mib
        hosts = self._below(cpu)
        if not hosts:
            return None
        if cpu <= 0:
            return Nearest(hosts, self._least_missing(hosts, memory))
        per_cpu = NEED_MAX // cpu
        per_memory = NEED_MAX // memory if memory > 0 else 0
        at, best, best_short = hosts - 1, -1, _FAR
        while at >= 0:
            known = self._known.get(at) or self._learn(at)
            there, memory_there, rank, richer = known
            short = (cpu - there) * per_cpu
            if short > best_short:
                break
            missing = memory - memory_there
            is_enough = missing <= 0 or not per_memory
            if is_enough:
                rank = self._least_rank(at, memory if per_memory else None)
            else:
                short += missing * per_memory
            if short < best_short or (short == best_short and rank < best):
                best, best_short = rank, short
            if is_enough:
                break
            at = richer
        return Nearest(hosts, self._row_of_rank.item(best))

    def lacking_memory(self, without_cpu: int) -> Nearest | None:
        """The hosts that lack memory only, where so many lack cpu; None: there are none."""
        hosts = len(self._cpu) - without_cpu
        if not hosts:
            return None
        rank = _RANK_MASK - (self._richest.item(without_cpu) & _RANK_MASK)
        return Nearest(hosts, self._row_of_rank.item(rank))

    def _below(self, cpu_milli: int) -> int:
        """How many hosts have less cpu."""
        if self._cpus is None:
            self._asked += 1
            if self._asked < _LISTED_FROM:
                return int(self._cpu.searchsorted(cpu_milli))
            self._cpus = self._cpu.tolist()
        return bisect_left(self._cpus, cpu_milli)

    def _learn(self, at: int) -> tuple[int, int, int, int]:
        """Cpu, memory and rank at this place, and the last one before it with more memory or -1."""
        memory = self._memory.item(at)
        # Mostly it is near by.
        richer, far = at - 1, max(0, at - _NEAR)
        while richer >= far and self._memory.item(richer) <= memory:
            richer -= 1
        if 0 <= richer < far:
            places = (self._memory[:far] > memory).nonzero()[0]
            richer = places.item(-1) if len(places) else -1
        found = (self._cpu.item(at), memory, self._ranks.item(at), richer)
        self._known[at] = found
        return found

    def _least_rank(self, last: int, memory_mib: int | None) -> int:
        """Of the hosts with as much cpu as at this last place, and so much memory: least rank."""
        if not last or self._cpu.item(last - 1) != self._cpu.item(last):
            return self._ranks.item(last)
        group = self._groups.get(last)
        if group is None:
            begin = int(self._cpu.searchsorted(self._cpu[last]))
            least = np.minimum.accumulate(self._ranks[begin : last + 1][::-1])[::-1]
            group = _Group(self._memory[begin : last + 1].tolist(), least)
            self._groups[last] = group
        begin = 0 if memory_mib is None else bisect_left(group.memories, memory_mib)
        return group.least_ranks.item(begin)

    def _least_missing(self, hosts: int, memory_mib: int) -> int:
        """Where cpu counts nothing: the row that lacks least memory, of equal ones by rank."""
        wanted = memory_mib if memory_mib > 0 else int(self._memory.min())  # Then nobody lacks any.
        missing = np.maximum(wanted - self._memory[:hosts], 0)
        missing <<= RANK_BITS
        missing += self._ranks[:hosts]
        return self._row_of_rank.item(int(missing.min()) & _RANK_MASK)


class _Group(NamedTuple):
    """Hosts with equal cpu."""

    memories: list[int]
    """In ascending order."""
    least_ranks: Array
    """Of those from each place on, the least rank."""
