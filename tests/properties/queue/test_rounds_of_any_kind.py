"""Whatever waits and whatever the rules: no guarantee, limit or budget is broken, nobody is silent.

Hosts, groups, classes and the ends of tasks are drawn; a slow count of what runs is the judge.
"""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.ids import TaskId
from scheduler.model.rules import CapacityGroup, Guards, PlacementRules
from scheduler.placement.request import Request
from scheduler.queue.outcome import RoundLimits, RoundOutcome
from tests.support.queueing import SmallCell, ask, group, hosts, rules

NAMES = ("web", "api", "a", "b", "c")
TIER_OF = {"web": "Critical", "api": "Critical", "a": "Flex", "b": "Flex", "c": "Flex"}
EXAMPLES = settings(max_examples=40, deadline=None)


@st.composite
def groups(draw: st.DrawFn) -> tuple[CapacityGroup, ...]:
    found = []
    for name in NAMES:
        parent = draw(st.sampled_from(("", "a"))) if name in {"b", "c"} else ""
        found.append(
            group(
                name,
                TIER_OF[name],
                cpu=draw(st.sampled_from((None, None, 2, 5, 9))),
                limit=draw(st.sampled_from((None, None, None, 6, 12))),
                weight=draw(st.integers(1, 3)),
                parent=parent,
            )
        )
    return tuple(found)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, ...]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from(NAMES))
        found.append(
            ask(
                f"job{number}",
                cpu=draw(st.sampled_from((1, 1, 2, 3, 8))),
                memory_gib=draw(st.sampled_from((1, 4, 16))),
                tier=TIER_OF[name],
                group=name,
                gang=draw(st.sampled_from(("", "", "", "ring"))) if TIER_OF[name] == "Flex" else "",
                lent=draw(st.sampled_from((False, False, False, True))),
            )
        )
    return tuple(found)


def _cpus(cell: SmallCell, *, lent: bool = False) -> dict[str, int]:
    """Cpus that ordinary or opportunistic tasks of each group hold, its teams' included."""
    sums = dict.fromkeys(NAMES, 0)
    parents = {each.name: each.parent for each in cell.rules.groups}
    for request, _, _ in cell.running.values():
        if request.is_opportunistic == lent:
            name = request.group
            while name:
                sums[name] += request.need.cpu_milli // 1_000
                name = parents[name]
    return sums


def _guarantees(of: PlacementRules) -> dict[str, int]:
    """What each top group is guaranteed in cpus: its own, and never less than its teams'."""
    own = {each.name: (each.guarantee.cpu_milli or 0) // 1_000 for each in of.groups}
    teams = dict.fromkeys(own, 0)
    for each in of.groups:
        if each.parent:
            teams[each.parent] += own[each.name]
    tops = [each.name for each in of.groups if not each.parent]
    return {name: max(own[name], teams[name]) for name in tops}


def _silent(cell: SmallCell, outcome: RoundOutcome) -> set[Request]:
    said = {each.request for each in outcome.held} | {each.request for each in outcome.refused}
    return {each.request for each in cell.queue} - said


@EXAMPLES
@given(groups(), requests(), st.data())
def test_a_day_of_rounds(
    of_groups: tuple[CapacityGroup, ...], classes: tuple[Request, ...], data: st.DataObject
) -> None:
    guards = Guards(preemptions_per_hour=3, preemptions_per_job_per_hour=2)
    of = rules(*of_groups, aging_ms=5_000, guards=guards)
    cell = SmallCell(hosts(3), of)
    limits = {each.name: each.limit.cpu_milli for each in of.groups}
    now_ms = 0
    for _ in range(6):
        now_ms += data.draw(st.sampled_from((1, 1_000, 6_000)))
        for request in data.draw(st.lists(st.sampled_from(classes), max_size=3, unique=True)):
            cell.wait(request, data.draw(st.integers(1, 9)), since_ms=now_ms)
        before = set(cell.running)
        outcome = cell.round(now_ms)

        assert _silent(cell, outcome) == set()
        ordinary, lent = _cpus(cell), _cpus(cell, lent=True)
        for name, limit in limits.items():
            if limit is not None and name in ordinary:
                assert ordinary[name] + lent[name] <= limit // 1_000
        _check_held_back(cell, before, ordinary)
        _check_budgets(cell, outcome)
        cell.end_preempted()
        alive = sorted(cell.running)
        for task_id in data.draw(st.lists(st.sampled_from(alive), unique=True)) if alive else []:
            cell.end(task_id)


def _check_held_back(cell: SmallCell, before: set[TaskId], ordinary: dict[str, int]) -> None:
    """What a round placed beyond guarantees left the others their guarantees, or a task ends soon.

    Nothing here that is ordinary and new may stand on what is held back for others.
    """
    guaranteed = _guarantees(cell.rules)
    new = {
        cell.running[task_id][0].group
        for task_id in cell.running
        if task_id not in before and not cell.running[task_id][0].is_opportunistic
    }
    parents = {each.name: each.parent for each in cell.rules.groups}
    tops = {parents[name] or name for name in new}
    free = 24 - sum(request.need.cpu_milli for request, _, _ in cell.running.values()) // 1_000
    lent = sum(
        request.need.cpu_milli
        for request, _, _ in cell.running.values()
        if request.is_opportunistic
    )
    for name in tops:
        if ordinary[name] <= guaranteed[name]:
            continue
        others = sum(
            max(0, guaranteed[other] - ordinary.get(other, 0))
            for other in guaranteed
            if other != name
        )
        assert free + lent // 1_000 >= others, f"{name} took what others are guaranteed"


def _check_budgets(cell: SmallCell, outcome: RoundOutcome) -> None:
    victims = [task for each in outcome.preemptions for task in each.victims]
    assert len({task.task_id for task in victims}) == len(victims)
    counted = [task for task in victims if not task.is_opportunistic]
    assert len(counted) <= cell.rules.guards.preemptions_per_hour
    for task in counted:
        assert task.tier == "Flex"
        assert sum(each.job_id == task.job_id for each in counted) <= 2
    if victims:
        lost = dict.fromkeys(NAMES, 0)
        parents = {each.name: each.parent for each in cell.rules.groups}
        for task in counted:
            name = task.group
            while name:
                lost[name] += task.need.cpu_milli // 1_000
                name = parents[name]
        own = {each.name: (each.guarantee.cpu_milli or 0) // 1_000 for each in cell.rules.groups}
        ordinary = _cpus(cell)
        for name, count in lost.items():
            if count:
                assert ordinary[name] - count >= own[name], f"{name} lost what it is guaranteed"


@EXAMPLES
@given(groups(), requests())
def test_the_same_input_gives_the_same_output(
    of_groups: tuple[CapacityGroup, ...], classes: tuple[Request, ...]
) -> None:
    answers = []
    for told in (classes, tuple(reversed(classes))):
        cell = SmallCell(hosts(3), rules(*of_groups))
        for request in told:
            place = classes.index(request)
            cell.queue.set_waiting(request, 4, 0, (place, 0))
        answers.append([cell.round(now_ms) for now_ms in (0, 1_000, 700_000)])
    assert answers[0] == answers[1]


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from((1, 2, 3))), min_size=2, max_size=4),
    st.integers(2, 32),
)
def test_no_group_is_ahead_by_more_than_a_turn(shapes: list[tuple[int, int]], chunks: int) -> None:
    """All want more than there is: weighted dominant shares differ by a turn at most, or a task."""
    names = [f"g{number}" for number in range(len(shapes))]
    of = rules(
        *(group(name, weight=weight) for name, (weight, _) in zip(names, shapes, strict=True))
    )
    cell = SmallCell(hosts(30), of)  # More than 30 tasks of 3 cpu ever fill.
    for name, (_, cpu) in zip(names, shapes, strict=True):
        cell.wait(ask(name, cpu=cpu, group=name), 200)
    cell.round(limits=RoundLimits(launches_max=30, chunks=chunks))
    used = _cpus_by_job(cell)
    for one, (weight, _) in zip(names, shapes, strict=True):
        for other, (its_weight, cpu) in zip(names, shapes, strict=True):
            ahead = Fraction(used[other], its_weight) - Fraction(used[one], weight)
            turn = max(Fraction(cpu), Fraction(240, chunks))
            assert ahead <= turn / its_weight


def _cpus_by_job(cell: SmallCell) -> dict[str, int]:
    sums: dict[str, int] = {}
    for request, _, _ in cell.running.values():
        sums[request.group] = sums.get(request.group, 0) + request.need.cpu_milli // 1_000
    return {name: sums.get(name, 0) for name in (each.name for each in cell.rules.groups)}


@settings(max_examples=15, deadline=None)
@given(requests())
def test_with_finite_work_everything_that_fits_is_placed_in_the_end(
    classes: tuple[Request, ...],
) -> None:
    """One task ends in each round; who is placed depends on who has waited, not only on size."""
    of = rules(*(group(name, TIER_OF[name]) for name in NAMES), aging_ms=3_000)
    cell = SmallCell(hosts(2), of)
    for request in classes:
        cell.wait(request, 3)
    for step in range(200):
        cell.round(1_000 * step)
        if not len(cell.queue):
            break
        for task_id in list(cell.running)[:1]:
            cell.end(task_id)
    # Only a gang that is larger than the cell is left.
    ring = [each.request for each in cell.queue]
    assert all(each.gang for each in ring)
    assert not ring or sum(3 * each.need.cpu_milli for each in classes if each.gang) > 8_000
