"""Who runs on which threads of one host: placed on arrival, balanced anew on each change.

The one thing to know: a static workload of whole threads owns them, alone and for its life; all
others share the pool of threads that nobody owns. So burst work grows into whatever is idle, and
shrinks to no less than its request when static work arrives. Workloads that disturb each other are
kept on different cores, and in different packages where there are several.

    static, whole threads   owns them; never moved                      2,000 of a cpu: 2 threads
    static, a part of one   in the pool: nobody can own half a thread   500 of a cpu
    static, no room         in the pool, and first in line for threads that are given back
    burst                   in the pool, and has it all when alone

A layout is a value: `arrived`, `departed`, `parted` answer the next one. Standard library only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler.cpu_sets.pool import pool_sets
from scheduler.cpu_sets.topology import Topology

MILLI: Final = 1_000
"""Thousandths of a thread, as cpu is counted everywhere."""

Pair = tuple[str, str]
"""Two workloads by name, sorted."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs: its name, how much cpu it was promised, and whether it may use more."""

    name: str
    cpu_milli: int
    is_burst: bool = False

    @property
    def own_threads(self) -> int:
        """How many threads it wants for itself: all of its request where that is whole ones."""
        is_whole = self.cpu_milli > 0 and self.cpu_milli % MILLI == 0
        return self.cpu_milli // MILLI if is_whole and not self.is_burst else 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Workloads in the order in which they came, what they own, and where each may run."""

    topology: Topology
    workloads: tuple[Workload, ...] = ()
    owned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The threads of each static workload that has some; no two share one."""
    apart: frozenset[Pair] = frozenset()
    """Workloads that disturb each other, here or not any more."""
    sets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """For each workload the threads that it may run on, ascending; never empty."""

    def names(self) -> set[str]:
        """Who is here."""
        return {each.name for each in self.workloads}


def arrived(layout: Layout, workload: Workload) -> Layout:
    """The layout with one more workload; the same where it is there already."""
    if workload.name in layout.names():
        return layout
    grown = replace(layout, workloads=(*layout.workloads, workload))
    return _balanced(_given(grown, workload))


def adopted(layout: Layout, workload: Workload, threads: Iterable[int]) -> Layout:
    """The layout with a workload that already runs on these threads, and keeps them if it may.

    So an agent that starts again takes over what it finds; only what is no longer possible moves.
    """
    if workload.name in layout.names():
        return layout
    held = tuple(sorted(set(threads)))
    taken = {number for numbers in layout.owned.values() for number in numbers}
    is_possible = (
        len(held) == workload.own_threads > 0
        and not taken.intersection(held)
        and layout.topology.by_number.keys() >= set(held)
    )
    if not is_possible:
        return arrived(layout, workload)
    grown = replace(layout, workloads=(*layout.workloads, workload))
    return _balanced(replace(grown, owned={**layout.owned, workload.name: held}))


def departed(layout: Layout, name: str) -> Layout:
    """The layout without a workload; who waits for threads of its own gets them now."""
    if name not in layout.names():
        return layout
    left = replace(
        layout,
        workloads=tuple(each for each in layout.workloads if each.name != name),
        owned={other: held for other, held in layout.owned.items() if other != name},
        apart=frozenset(pair for pair in layout.apart if name not in pair),
    )
    for each in left.workloads:
        if each.own_threads and each.name not in left.owned:
            left = _given(left, each)
    return _balanced(left)


def parted(layout: Layout, pairs: Iterable[Pair]) -> Layout:
    """The layout in which these workloads, and no others, are kept away from each other.

    What is owned stays where it is; whoever is in the pool gives way.
    """
    here = layout.names()
    kept = frozenset((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])
    return _balanced(replace(layout, apart=frozenset(p for p in kept if here.issuperset(p))))


def _pool_threads(layout: Layout, besides: str) -> int:
    """How many threads the pool needs for those in it, but for one of them.

    Static work that waits there for threads of its own holds none back: it would wait for itself.
    """
    others = [x for x in layout.workloads if x.name not in layout.owned and x.name != besides]
    promised = sum(each.cpu_milli for each in others if not each.own_threads)
    return max(-(-promised // MILLI), 1 if others else 0)


def _given(layout: Layout, workload: Workload) -> Layout:
    """The layout in which a static workload owns threads, where enough can be spared.

    The pool keeps what its own were promised, so that burst work never falls below its minimum.
    """
    wanted = workload.own_threads
    taken = {number for numbers in layout.owned.values() for number in numbers}
    free = [each for each in layout.topology.threads if each.number not in taken]
    if not wanted or len(free) - _pool_threads(layout, workload.name) < wanted:
        return layout
    return replace(layout, owned={**layout.owned, workload.name: _chosen(layout, workload, wanted)})


def _chosen(layout: Layout, workload: Workload, wanted: int) -> tuple[int, ...]:
    """The greedy rule: the emptiest package with room for all of it, its emptiest cores first.

    Enemies count before emptiness. Where no package has room for all, as few as possible are used.
    """
    topology = layout.topology
    owner = {number: name for name, numbers in layout.owned.items() for number in numbers}
    enemies = {a if b == workload.name else b for a, b in layout.apart if workload.name in (a, b)}

    def state_of(numbers: Iterable[int]) -> tuple[int, int]:
        owners = [owner[number] for number in numbers if number in owner]
        return sum(name in enemies for name in owners), len(owners)

    packages = []
    for package, cores in topology.packages.items():
        numbers = [number for core in cores for number in topology.cores[core]]
        hostile, used = state_of(numbers)
        packages.append((len(numbers) - used < wanted, hostile, used, package, len(numbers) - used))
    with_room = sorted(each for each in packages if not each[0])
    in_order = with_room[:1] or sorted(packages, key=lambda each: (-each[4], each[1], each[3]))
    chosen: list[int] = []
    for *_, package, _free in in_order:
        cores_by_use = sorted(
            topology.packages[package], key=lambda core: (*state_of(topology.cores[core]), core)
        )
        for core in cores_by_use:
            free = [number for number in topology.cores[core] if number not in owner]
            chosen += free[: wanted - len(chosen)]
    assert len(chosen) == wanted, f"{wanted} threads are free, and {len(chosen)} were found"
    return tuple(sorted(chosen))


def _balanced(layout: Layout) -> Layout:
    """The layout with the pool divided anew among those who own nothing."""
    taken = {number for numbers in layout.owned.values() for number in numbers}
    pool = [number for number in layout.topology.numbers if number not in taken]
    shared = [
        (each.name, each.cpu_milli) for each in layout.workloads if each.name not in layout.owned
    ]
    sets = dict(layout.owned)
    # Nothing is left only where more was promised than there is; then all share everything.
    sets |= pool_sets(
        layout.topology, pool or layout.topology.numbers, shared, layout.owned, layout.apart
    )
    return replace(layout, sets=sets)
