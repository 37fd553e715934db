"""How many hosts more would be used by what waits now, group by group.

The one thing to know: nothing is remembered. It is counted anew at each look from who waits, what
the last round said of them, and what stands idle or is on its way: so nobody is counted twice, and
a restart changes nothing (fenzo.md, F10 and F15). What more hosts would not cure asks for none.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from scheduler.capacity.demand import ZERO, Vector
from scheduler.fleet.shapes import TASKS_MAX, Shape, fitting, hosts_for, objection, vector_of
from scheduler.model.ids import JobId
from scheduler.model.task import Queued
from scheduler.placement.request import Request
from scheduler.placement.requests_of_jobs import request_of
from scheduler.state import State
from scheduler.versions import spec_of

INCURABLE: Final = frozenset(
    {"group limit", "launch rate", "launchRate", "launchingLimit", "preemption", "round limit"}
)
"""Rules that hold tasks whatever hosts there are: limits of capacity groups, rates, and rooms that
are being freed for them already."""
UNCURED_MAX: Final = 20
"""Jobs of which it is said why no host is asked for; the others are counted."""


class Waiting(NamedTuple):
    """Tasks of a job that want hosts."""

    request: Request
    tasks: int
    since_ms: int
    """Since when the first of them waits."""


class Uncured(NamedTuple):
    """Tasks of a job for which no host is asked."""

    job_id: JobId
    tasks: int
    why: str


class Asked(NamedTuple):
    """What one group is asked for."""

    covered: int = 0
    """Hosts that stand idle or are on their way, and will be used by what waits."""
    more: int = 0
    """Hosts beyond those."""
    since_ms: int = 0
    """Since when the first of those waits who ask for more; 0: nobody does."""


class Shortfall(NamedTuple):
    """What waits, as hosts."""

    asked: dict[str, Asked]
    uncured: tuple[Uncured, ...] = ()
    uncured_total: int = 0


def waiting_of(state: State) -> tuple[list[Waiting], list[Uncured]]:
    """Who wants hosts, and who waits for something else, by job."""
    found: list[Waiting] = []
    uncured: list[Uncured] = []
    rules = state.policy.placement
    for job_id in sorted(state.queue):
        resting = state.resting.get(job_id, {})
        there = state.queue[job_id]
        count = len(there) - len(resting)
        told = state.told.get(job_id)
        if count <= 0 or told is None:
            continue  # No round has refused them yet: the next may place them.
        said = told.gist[1:]
        if said and INCURABLE.issuperset(said):
            uncured.append(Uncured(job_id, count, f"they wait for {told.gist[0]}"))
            continue
        task = state.tasks[next(each for each in there if each not in resting)]
        assert isinstance(task.state, Queued)
        since_ms = max(task.state.since_ms, task.state.ready_at_ms)
        request = request_of(job_id, spec_of(state.jobs[job_id], task), rules)
        found.append(Waiting(request, count, since_ms))
    return found, uncured


class _Filling:
    """Tasks put into imagined hosts of one group."""

    def __init__(self, shape: Shape, room: int) -> None:
        self.shape = shape
        self.room = room
        self.since_ms = 0
        self._sum = ZERO
        self._whole = 0
        """Hosts of tasks that each take more than half of one."""
        self._most = 0
        """Hosts that one kind of tasks needs by itself."""

    @property
    def hosts(self) -> int:
        return self._hosts(self._sum, self._whole, self._most)

    def _hosts(self, total: Vector, whole: int, most: int) -> int:
        by_amount = hosts_for(total, self.shape.counted)
        assert by_amount is not None, "what does not fit is not put"
        return max(by_amount, whole, most)

    def put(self, each: Waiting, count: int, a_host: int) -> int:
        """How many of so many tasks have room here; they are put."""
        low, high = 0, count
        while low < high:  # The most that the room holds.
            middle = (low + high + 1) // 2
            if self._hosts(*self._with(each, middle, a_host)) <= self.room:
                low = middle
            else:
                high = middle - 1
        if low:
            self._sum, self._whole, self._most = self._with(each, low, a_host)
            self.since_ms = min(self.since_ms or each.since_ms, each.since_ms)
        return low

    def _with(self, each: Waiting, count: int, a_host: int) -> tuple[Vector, int, int]:
        cpu, memory, disk, network, gpus = (
            there + one * count
            for there, one in zip(self._sum, vector_of(each.request.need), strict=True)
        )
        whole = self._whole + (count if a_host == 1 else 0)
        alone = -(-count // a_host) if a_host < TASKS_MAX else 0
        return (cpu, memory, disk, network, gpus), whole, max(self._most, alone)


def shortfall_of(
    state: State, shapes: Sequence[Shape], covering: dict[str, int], room: dict[str, int]
) -> Shortfall:
    """The hosts that each group is asked for.

    ``covering`` are the hosts of each group that are idle or on their way, ``room`` is by how many
    it may grow.
    """
    waiting, uncured = waiting_of(state)
    there = {each.name: _Filling(each, covering.get(each.name, 0)) for each in shapes}
    more = {each.name: _Filling(each, room.get(each.name, 0)) for each in shapes}
    rules = state.policy.placement
    fits: list[tuple[Waiting, list[tuple[Shape, int]]]] = []
    for each in waiting:
        objections = [(shape, objection(shape, each.request, rules)) for shape in shapes]
        usable = [(shape, fitting(shape, each.request)) for shape, why in objections if not why]
        usable.sort(key=lambda one: (one[0].rank, _price(*one), one[0].name))
        if not usable:
            why = objections[0][1] if objections else "no group is scaled"
            uncured.append(Uncured(each.request.job_id, each.tasks, why))
            continue
        fits.append((each, usable))
    # Who has least choice first; the older first.
    fits.sort(key=lambda one: (len(one[1]), one[0].since_ms, one[0].request.job_id))
    for each, usable in fits:
        left = each.tasks
        for fillings in (there, more):
            for shape, a_host in usable:
                if left:
                    left -= fillings[shape.name].put(each, left, a_host)
        if left:
            names = ", ".join(shape.name for shape, _ in usable)
            why = f"group {names} may not grow further" if len(usable) == 1 else f"none of {names}"
            uncured.append(Uncured(each.request.job_id, left, why))
    asked = {
        name: Asked(there[name].hosts, more[name].hosts, more[name].since_ms) for name in there
    }
    total = sum(each.tasks for each in uncured)
    return Shortfall(asked, tuple(uncured[:UNCURED_MAX]), total)


def _price(shape: Shape, a_host: int) -> int:
    """What room for one task costs, in billionths: what fits more often may cost more."""
    return shape.rule.price_micro * 1_000 // min(a_host, 1_000_000)
