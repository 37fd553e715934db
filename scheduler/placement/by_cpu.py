"""Hosts in the order of their free cpu: what refuses a request for cpu and memory, at little cost.

The one thing to know: this answers for requests that fit on no host and that only cpu and memory
can refuse. Then a host lacks cpu or else memory, so the order by cpu parts them, and the nearest of
those that lack memory is the one with most of it. It is made when several requests are asked about
at the same state of the hosts; the answers are those of `scheduler.placement.explain`.
"""

from typing import Final, NamedTuple

import numpy as np

from scheduler.model.resources import Need
from scheduler.placement.columns import RANK_BITS, Array, Columns

SHORT_BITS: Final = 30
"""A whole need is 2**30 of shortfall."""
NEED_MAX: Final = 1 << SHORT_BITS
_RANK_MASK: Final = (1 << RANK_BITS) - 1


class Nearest(NamedTuple):
    """How many hosts lack it first, and the row of the one that lacks least of all together."""

    hosts: int
    row: int


class ByCpu:
    """All hosts as they are at one place of the log of changes."""

    def __init__(self, columns: Columns) -> None:
        order = np.argsort(columns.cpu_free, kind="stable")
        self._rows = order
        self._cpu: Array = columns.cpu_free[order]
        self._memory: Array = columns.memory_free[order]
        self._ranks: Array = columns.ranks[order]
        # The greatest is the one with most memory and, of equal ones, the least rank.
        richness = (self._memory << RANK_BITS) | (_RANK_MASK - self._ranks)
        self._richest: Array = np.maximum.accumulate(richness[::-1])[::-1]
        self._row_of_rank: Array = np.empty(len(order), np.int64)
        self._row_of_rank[self._ranks] = order

    def lacking_cpu(self, need: Need) -> Nearest | None:
        """The hosts that have too little cpu; None: there are none."""
        cpu, memory = need.cpu_milli, need.memory_mib
        hosts = int(self._cpu.searchsorted(cpu))
        if not hosts:
            return None
        short = cpu - self._cpu[:hosts]
        short *= NEED_MAX // cpu if cpu > 0 else 0
        if memory > 0:
            missing = memory - self._memory[:hosts]
            np.maximum(missing, 0, out=missing)
            missing *= NEED_MAX // memory
            short += missing
        short <<= RANK_BITS
        short += self._ranks[:hosts]
        return Nearest(hosts, self._rows.item(int(short.argmin())))

    def lacking_memory(self, without_cpu: int) -> Nearest | None:
        """The hosts that lack memory only, where so many lack cpu; None: there are none."""
        hosts = len(self._rows) - without_cpu
        if not hosts:
            return None
        rank = _RANK_MASK - (self._richest.item(without_cpu) & _RANK_MASK)
        return Nearest(hosts, self._row_of_rank.item(rank))
