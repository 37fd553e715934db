"""For any order of tasks that come and go: no address twice, only equal sets share an interface.

Tasks come and go on one host; what a round counts step by step while it chooses is compared with
what follows from the tasks alone, which is how a cell counts before the round and after a restart.
"""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.placement.host import Interface
from scheduler.placement.interfaces import (
    Lodger,
    choose,
    group_set,
    interface_refusal,
    interfaces_of,
    room,
    taken,
    undone,
)

GROUPS = st.lists(st.sampled_from(("sg-a", "sg-b", "sg-c")), max_size=3).map(group_set)
RES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3).map(
    lambda sets: tuple(
        (f"res{number}", f"ResourceSet-ENIs-{count}-{addresses}")
        for number, (count, addresses) in enumerate(sets)
    )
)
STEPS = st.lists(
    st.tuples(st.booleans(), GROUPS, st.integers(0, 20), st.integers(0, 30)), max_size=40
)


@given(RES, STEPS, st.integers(0, 50))
def test_counted_step_by_step_or_from_the_tasks(
    res: tuple[tuple[str, str], ...],
    steps: list[tuple[bool, tuple[str, ...], int, int]],
    rest_ms: int,
) -> None:
    there = interfaces_of(res, (), 0, rest_ms)
    live: list[Lodger] = []
    ended: list[Lodger] = []
    now_ms = 0
    for is_arrival, groups, which, later_ms in steps:
        now_ms += later_ms
        if is_arrival:
            pick = choose(there, groups, now_ms)
            assert (pick is None) == (room(there, groups) == 0)
            if pick is None:
                continue
            assert interface_refusal(there, 1, groups, pick.index) == ""
            before = there
            there = taken(there, pick.index, groups, now_ms)
            undone_again = undone(there, pick.index)
            assert [x.used for x in undone_again] == [x.used for x in before]
            assert [x.security_groups for x in undone_again] == [x.security_groups for x in before]
            live.append(Lodger(pick.index, groups))
        elif live:
            gone = live.pop(which % len(live))
            ended.append(Lodger(gone.interface, gone.security_groups, ended_at_ms=now_ms))
            there = interfaces_of(res, (*live, *ended), now_ms, rest_ms)
        rebuilt = interfaces_of(res, (*reversed(live), *ended), now_ms, rest_ms)
        for one, other in zip(there, rebuilt, strict=True):
            _agree(one, other, now_ms)
        _never_over_allocated(there, live)


def _agree(counted: Interface, rebuilt: Interface, now_ms: int) -> None:
    bound = counted.used, counted.security_groups
    assert bound == (rebuilt.used, rebuilt.security_groups)
    resting = counted.resting if now_ms < counted.rests_until_ms else 0
    # Step by step all of them rest until the last has; from the tasks each rests its own time.
    assert resting >= rebuilt.resting
    assert (resting > 0) == (rebuilt.resting > 0)


def _never_over_allocated(there: tuple[Interface, ...], live: list[Lodger]) -> None:
    for index, each in enumerate(there):
        on_it = [task.security_groups for task in live if task.interface == index]
        assert len(on_it) == each.used <= each.addresses
        assert each.used + each.resting <= each.addresses
        assert set(on_it) == ({each.security_groups} if on_it else set())
