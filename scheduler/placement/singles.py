"""Many single tasks, one after the other, that ask for cpu and memory alone, of hosts all alike.

The one thing to know: this is `scheduler.placement.plain` for a whole run of requests. The hosts
that could take any of them are copied out of the columns, and what the run did to them is written
back once, at its end. Who fits is said by signs: a number that is below 0 has all of its upper bits
set, and so has whatever it is joined to. The answers are those of one request after the other.
"""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from scheduler.placement.arrivals import UNCHANGED, arrive_each
from scheduler.placement.columns import (
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    SUM_SHIFT,
    Array,
    Even,
    Flags,
)
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice, Outcome, Reason
from scheduler.placement.plain import NOWHERE, POINT_SHIFT, Scores
from scheduler.placement.prepared import Prepared, asks_amounts_only
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

_ALL_BITS: Final = np.array(63)
_FULL: Final = (1 << FULLNESS_BITS) - 1
_FULL_PACKED: Final = _FULL << FULLNESS_SHIFT
_BUCKET: Final = (1 << FULLNESS_SHIFT) - 1
_POINT: Final = (1 << POINT_SHIFT) - 1
_SAFE: Final = _POINT - _BUCKET
"""Hosts of one fullness, to the bit that is kept, differ by a point only where the part of a point
that they have in common is above this."""


class Singles:
    """One run of requests of one manner, each of them for one task."""

    def __init__(
        self, index: Index, requests: Sequence[Request], manner: Prepared, even: Even
    ) -> None:
        """All of them ask for some cpu and some memory."""
        self._columns = columns = index.columns
        self._requests = requests
        self._weight = manner.of_amounts[0][0]
        cpu = [request.need.cpu_milli for request in requests]
        memory = [request.need.memory_mib for request in requests]
        self._needs = [
            (one, other, one * even.cpu_unit + other * even.memory_unit)
            for one, other in zip(cpu, memory, strict=True)
        ]
        rows = self._reachable(min(cpu), min(memory), index.allowed(manner))
        self._rows = rows
        self._cpu: Array = columns.cpu_free[rows]
        self._memory: Array = columns.memory_free[rows]
        self._packed: Array = columns.packed[rows]
        self._standing: Array = columns.standing[rows]

    def _reachable(self, cpu_milli: int, memory_mib: int, allowed: Flags | None) -> Array:
        """The rows that could take a task of at least so much, or stand second to one that does."""
        columns, most = self._columns, len(self._requests) + 1
        fits: Flags = columns.cpu_open >= cpu_milli
        fits &= columns.memory_free >= memory_mib
        if allowed is not None:
            fits &= allowed
        rows: Array = fits.nonzero()[0]
        if len(rows) <= 2 * most:
            return rows
        # Of hosts with the same numbers no more are reached than there are tasks.
        packed = columns.packed[rows]
        one = int(packed.argmin())
        same = packed == packed[one]
        for column in (columns.cpu_free, columns.memory_free):
            free = column[rows]
            same &= free == free[one]
        alike = same.nonzero()[0]
        spare = len(alike) - most
        if spare <= 0:
            return rows
        least = columns.standing[rows[alike]].argpartition(spare)[:spare]
        same[:] = True
        same[alike[least]] = False
        kept: Array = rows[same]
        return kept

    def place(self, scores: Scores, *, is_all: bool) -> list[Outcome]:
        """What becomes of each request; with ``is_all`` the first without a host is the last."""
        if not len(self._rows):
            return [NOWHERE] * (1 if is_all else len(self._requests))
        slots = cast("list[Slot]", self._columns.slots)  # The rows are of hosts that are there.
        row_of, known = self._rows.item, scores.known
        cpu, memory, packed, standing = self._cpu, self._memory, self._packed, self._standing
        keys, left = np.empty_like(cpu), np.empty_like(cpu)
        asked_cpu, asked_memory = np.zeros((), np.int64), np.zeros((), np.int64)
        subtract, joined, signs, all_bits = np.subtract, np.bitwise_or, np.right_shift, _ALL_BITS
        best, key_of, packed_of = keys.argmax, keys.item, packed.item
        outcomes: list[Outcome] = []
        landed: list[int] = []
        come: list[Request] = []
        doomed: list[bool] = []
        for number, (need_cpu, need_memory, asked) in enumerate(self._needs):
            if doomed and doomed[number]:
                outcomes.append(NOWHERE)
                continue
            asked_cpu[()] = need_cpu
            asked_memory[()] = need_memory
            subtract(cpu, asked_cpu, keys)
            subtract(memory, asked_memory, left)
            joined(keys, left, keys)
            signs(keys, all_bits, keys)
            joined(keys, standing, keys)
            at = int(best())
            if key_of(at) < 0:
                outcomes.append(NOWHERE)
                if is_all:
                    break
                doomed = doomed or self._doomed()
                continue
            keys[at] = -1
            then = int(best())
            if key_of(then) < 0:
                then = -1
            before, second = packed_of(at), packed_of(then)
            if (
                ((before & ~_BUCKET) + asked) & _POINT > _SAFE
                or ((second & ~_BUCKET) + asked) & _POINT > _SAFE
                or before >= _FULL_PACKED
                or second >= _FULL_PACKED
            ):
                at, then = self._first_two(number)
                before, second = packed_of(at), packed_of(then)
            after = before + asked
            points = after >> POINT_SHIFT
            first = known.get(points) or scores.of(points)
            host_id = slots[row_of(at)].host_id
            if then < 0:
                reason = Reason(*first)
            else:
                points = (second + asked) >> POINT_SHIFT
                host = slots[row_of(then)].host_id
                reason = Reason(*first, host, *(known.get(points) or scores.of(points)))
            outcomes.append(Outcome((Choice(host_id),), reason, 0))
            cpu[at] = cpu.item(at) - need_cpu
            memory[at] = memory.item(at) - need_memory
            packed[at] = after
            fullness = after >> FULLNESS_SHIFT if after < _FULL_PACKED else _FULL
            standing[at] = (standing.item(at) & UNCHANGED) | fullness << RANK_BITS
            landed.append(at)
            come.append(self._requests[number])
        self._write_back(landed, come)
        return outcomes

    def _first_two(self, number: int) -> tuple[int, int]:
        """The best and the second, by all of their keys; the second is -1 where there is none."""
        cpu, memory, asked = self._needs[number]
        fits = (self._cpu >= cpu) & (self._memory >= memory)
        points = (self._packed + asked) >> POINT_SHIFT
        standing = self._standing
        keys: Array = standing | (points * self._weight << SUM_SHIFT)
        keys[~fits] = -1
        first = int(keys.argmax())
        keys[first] = -1
        second = int(keys.argmax())
        return first, second if keys.item(second) >= 0 else -1

    def _doomed(self) -> list[bool]:
        """Which requests fit nowhere from now on: hosts only get fuller."""
        order = self._cpu.argsort()
        # Of the hosts with at least so much cpu: what the one with most memory has.
        most = np.maximum.accumulate(self._memory[order[::-1]])[::-1]
        needs = np.array([need[:2] for need in self._needs], np.int64)
        places = self._cpu[order].searchsorted(needs[:, 0])
        found: list[bool] = (np.append(most, -1)[places] < needs[:, 1]).tolist()
        return found

    def _write_back(self, landed: list[int], come: list[Request]) -> None:
        """Tell the table of hosts what came where."""
        if not landed:
            return
        columns, rows = self._columns, self._rows
        changed = sorted(set(landed))
        at = rows[changed]
        columns.cpu_free[at] = columns.cpu_open[at] = self._cpu[changed]
        columns.memory_free[at] = self._memory[changed]
        columns.packed[at] = self._packed[changed]
        columns.standing[at] = self._standing[changed]
        arrive_each(columns, come, rows[landed].tolist())
        for row in at.tolist():
            columns.changed.append(row)


def run_of(asked: Sequence[tuple[Request, int]], begin: int, end: int) -> list[Request]:
    """The requests of one manner, for one plain task each, that stand together from ``begin``."""
    requests: list[Request] = []
    before: Request | None = None
    for request, count in asked[begin:end]:
        need = request.need
        if (
            count != 1
            or not asks_amounts_only(request)
            or need.cpu_milli <= 0
            or need.memory_mib <= 0
            or (before is not None and not _is_alike(request, before))
        ):
            break
        requests.append(request)
        before = request
    return requests


def _is_alike(one: Request, other: Request) -> bool:
    """Whether both are of one `manner_of`, as plain requests: in less than making two of them."""
    return (
        one.tier == other.tier
        and one.group == other.group
        and one.is_service == other.is_service
        and one.hard == other.hard
        and one.soft == other.soft
        and one.application == other.application
    )
