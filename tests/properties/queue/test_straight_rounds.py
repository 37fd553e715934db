"""One class after the other, in few steps, or turn by turn: the answers are the same.

A rate that nobody can reach makes the round take turns, because some rule might hold a class.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.rules import Guards
from scheduler.queue.outcome import RoundLimits
from tests.support.queueing import SmallCell, ask, group, hosts, rules

UNREACHABLE = 1_000_000
CLASSES = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from((1, 1, 2, 3, 8, 9)), st.sampled_from((1, 4, 16))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(CLASSES, st.integers(1, 40), st.integers(1, 6))
def test_the_answers_are_those_of_turns(
    classes: list[tuple[int, int, int]], launches_max: int, hosts_total: int
) -> None:
    answers = []
    for rate in (0, UNREACHABLE):
        guards = Guards(launches_per_job_per_minute=rate)
        cell = SmallCell(hosts(hosts_total), rules(group("a"), guards=guards))
        for number, (count, cpu, memory_gib) in enumerate(classes):
            request = ask(f"job{number}", cpu=cpu, memory_gib=memory_gib, group="a")
            cell.wait(request, count)
        limits = RoundLimits(launches_max=launches_max)
        rounds = [cell.round(now_ms, limits) for now_ms in (0, 1_000, 2_000)]
        found = [(each.placed, each.held, each.refused) for each in rounds]
        used = [cell.usage.ordinary(), [cell.placement.totals()]]
        answers.append((found, used))
    assert answers[0] == answers[1]
