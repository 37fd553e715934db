"""For any host and any order of arrivals and departures, what a layout promises holds.

Where no more is promised than there is: static work owns its threads alone and for its life, and
everybody in the pool has what it was promised, all at once. Where more is promised, nobody is
without a thread, and the layout says that it is crowded.
"""

from collections.abc import Iterator
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.cpu_sets.layout import (
    MILLI,
    Layout,
    Pair,
    Workload,
    adopted,
    arrived,
    departed,
    parted,
)
from scheduler.cpu_sets.topology import Topology, from_description
from scheduler.cpu_sets.violations import violations

HOSTS = st.builds("{}x{}x{}".format, st.integers(1, 3), st.integers(1, 4), st.integers(1, 2)).map(
    from_description
)
WORK = st.builds(
    lambda cpu_milli, is_burst: (cpu_milli, is_burst),
    st.sampled_from((100, 500, 999, 1_000, 1_000, 1_500, 2_000, 2_000, 3_000, 4_000)),
    st.booleans(),
)
STEPS = st.lists(st.tuples(st.sampled_from("aaadp"), WORK, st.integers(0, 99)), max_size=30)


Steps = list[tuple[str, tuple[int, bool], int]]


def walk(layout: Layout, steps: Steps, *, is_honest: bool) -> Iterator[Layout]:
    """Each layout of these steps; an honest host is promised no more than it has."""
    for number, (kind, (cpu_milli, is_burst), which) in enumerate(steps):
        names = sorted(layout.names())
        if kind == "a":
            promised = sum(each.cpu_milli for each in layout.workloads)
            if is_honest and promised + cpu_milli > MILLI * len(layout.topology.threads):
                continue
            layout = arrived(layout, Workload(f"w{number:02}", cpu_milli, is_burst))
        elif kind == "d" and names:
            layout = departed(layout, names[which % len(names)])
        elif kind == "p" and len(names) > 1:
            pairs: list[Pair] = list(combinations(names, 2))
            layout = parted(layout, {*layout.apart, pairs[which % len(pairs)]})
        yield layout


def sets_are_sound(layout: Layout) -> None:
    everything = set(layout.topology.numbers)
    assert layout.sets.keys() == layout.names()
    owned = [number for numbers in layout.owned.values() for number in numbers]
    assert len(owned) == len(set(owned)), "two static workloads own one thread"
    for name, numbers in layout.sets.items():
        assert numbers, f"{name} can run nowhere"
        assert list(numbers) == sorted(set(numbers))
        assert everything.issuperset(numbers)


def all_at_once(layout: Layout) -> bool:
    """Whether the pool can keep all its promises at once: Hall's condition on unions of sets."""
    pool = [each for each in layout.workloads if each.name not in layout.owned]
    distinct = sorted({layout.sets[each.name] for each in pool})
    for count in range(1, len(distinct) + 1):
        for some in combinations(distinct, count):
            union = set().union(*some)
            inside = sum(x.cpu_milli for x in pool if union.issuperset(layout.sets[x.name]))
            if inside > MILLI * len(union):
                return False
    return True


@given(HOSTS, STEPS)
def test_promises_hold_where_they_can(topology: Topology, steps: Steps) -> None:
    before: dict[str, tuple[int, ...]] = {}
    for layout in walk(Layout(topology), steps, is_honest=True):
        sets_are_sound(layout)
        wants = {each.name for each in layout.workloads if each.own_threads}
        assert layout.owned.keys() == wants
        for name, numbers in layout.owned.items():
            assert before.get(name, numbers) == numbers, "static work was moved"
        before = dict(layout.owned)
        assert all_at_once(layout)
        assert "crowded" not in {each.kind for each in violations(layout)}


@given(HOSTS, STEPS)
def test_whatever_is_promised_everybody_runs_somewhere(topology: Topology, steps: Steps) -> None:
    before: dict[str, tuple[int, ...]] = {}
    for layout in walk(Layout(topology), steps, is_honest=False):
        sets_are_sound(layout)
        for name, numbers in before.items():
            assert layout.owned.get(name, numbers) == numbers, "static work was moved"
            assert name in layout.owned or name not in layout.names()
        before = dict(layout.owned)
        promised = sum(each.cpu_milli for each in layout.workloads)
        if promised > MILLI * len(topology.threads):
            assert "crowded" in {each.kind for each in violations(layout)}


@given(HOSTS, STEPS)
def test_nothing_is_idle_while_burst_work_is_there(topology: Topology, steps: Steps) -> None:
    for layout in walk(Layout(topology), steps, is_honest=True):
        is_pool_used = any(each.name not in layout.owned for each in layout.workloads)
        # Work that must keep away from static work may leave the cores of that one alone.
        foes = {name for pair in layout.apart for name in pair}
        if is_pool_used and not foes & layout.owned.keys():
            used = {number for numbers in layout.sets.values() for number in numbers}
            assert used == set(topology.numbers)


@given(HOSTS, STEPS)
def test_the_same_again_is_the_same(topology: Topology, steps: Steps) -> None:
    first = list(walk(Layout(topology), steps, is_honest=False))
    second = list(walk(Layout(topology), steps, is_honest=False))
    assert first == second


def hash_free(name: str) -> int:
    """A number that mixes names up, the same in every run."""
    total: int = sum(7**place * ord(letter) for place, letter in enumerate(name))
    return total % 11


@given(HOSTS, STEPS)
def test_what_runs_is_taken_over_as_it_is(topology: Topology, steps: Steps) -> None:
    """An agent that starts again, told of its tasks in any order, moves no static work."""
    for layout in walk(Layout(topology), steps, is_honest=True):
        again = Layout(topology)
        for each in sorted(layout.workloads, key=lambda x: (hash_free(x.name), x.name)):
            again = adopted(again, each, layout.sets[each.name])
        assert again.owned == layout.owned


@given(HOSTS, STEPS)
def test_each_change_divides_the_pool_anew(topology: Topology, steps: Steps) -> None:
    """Without foes the pool is exactly what nobody owns, after every arrival and departure."""
    quiet = [step for step in steps if step[0] != "p"]
    for layout in walk(Layout(topology), quiet, is_honest=True):
        owned = {number for numbers in layout.owned.values() for number in numbers}
        for each in layout.workloads:
            if each.name not in layout.owned:
                assert set(layout.sets[each.name]) == set(topology.numbers) - owned
