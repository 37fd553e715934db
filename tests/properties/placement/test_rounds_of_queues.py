"""For any queue, hosts and rules: a round over-allocates nothing and explains everybody who waits.

Rounds are run one after the other while hosts come and tasks end. A slow copy of the hosts checks
each choice; whoever waits afterwards fits on no host, or a rule of the queue is named that held it,
or what the round has placed lets it in, and there is another round at once.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.request import Request
from scheduler.queue.outcome import RoundOutcome
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue
from scheduler.rounds.placing import place_round
from tests.support.any_hosts import hosts, requests, rules, some_hosts
from tests.support.naive_hosts import NaiveHosts, replace
from tests.support.naive_placer import with_selectors

NOW_MS = 1_000
AMOUNTS = st.builds(
    Amount,
    cpu_milli=st.sampled_from((None, 0, 500, 2_000)),
    memory_mib=st.sampled_from((None, None, 500)),
)
LIMITED = st.builds(
    lambda guarantee, limit, tier, weight: CapacityGroup(
        name="g", tier=tier, guarantee=guarantee, limit=limit, weight=weight
    ),
    AMOUNTS,
    AMOUNTS,
    st.sampled_from(("Critical", "Flex")),
    st.integers(1, 3),
)
WAVES = st.lists(
    st.tuples(st.lists(st.tuples(requests(), st.integers(1, 4)), max_size=3), st.none() | hosts()),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(some_hosts(), rules(), LIMITED, WAVES)
def test_who_waits_after_a_round_fits_nowhere_or_is_held_by_a_rule(
    views: list[HostView],
    of_cell: PlacementRules,
    group: CapacityGroup,
    waves: list[tuple[list[tuple[Request, int]], HostView | None]],
) -> None:
    of_cell = replace(of_cell, groups=(of_cell.groups[0], group))
    placement, truth = Placement(of_cell), NaiveHosts(views)
    placement.put_hosts(views)
    queue, usage = Queue(), Usage()
    for number, (waiting, host) in enumerate(waves):
        for place, (wanted, count) in enumerate(waiting):
            tier = group.tier if wanted.group == "g" else "Flex"
            queue.set_waiting(replace(wanted, tier=tier), count, 0, (number, place))
        if host is not None:
            truth.put([host])
            placement.put_hosts([host])
        waited = {each.request: each.count for each in queue}
        outcome = place_round(placement, queue, usage, of_cell, NOW_MS)
        _carry_out(outcome, of_cell, truth, queue, usage)
        left = {each.request: each.count for each in queue}
        assert sum(waited.values()) == sum(left.values()) + outcome.tasks_placed
        _check_waiting(outcome, left, of_cell, truth)
        if group.limit.cpu_milli is not None:
            used = dict(usage.ordinary()).get((group.tier, "g"))
            assert used is None or used[0] <= group.limit.cpu_milli


def _carry_out(
    outcome: RoundOutcome, of_cell: PlacementRules, truth: NaiveHosts, queue: Queue, usage: Usage
) -> None:
    """Launch what was placed, each task checked against the hosts as they are then."""
    for placed in outcome.placed:
        whole = with_selectors(placed.request, of_cell)
        for choice in placed.outcome.choices:
            broken = truth.broken(choice.host_id, whole, of_cell)
            assert not broken, (broken, placed.request, truth.views[choice.host_id])
            truth.launch(placed.request, choice)
        count = len(placed.outcome.choices)
        queue.placed(placed.request, count, 0)
        usage.add(placed.request, count)


def _check_waiting(
    outcome: RoundOutcome, left: dict[Request, int], of_cell: PlacementRules, truth: NaiveHosts
) -> None:
    """Everybody who waits is explained once, and what the explanation says is so."""
    explained = [(each.request, each.count) for each in outcome.held]
    explained += [(each.request, each.count) for each in outcome.refused]
    assert sorted(explained, key=str) == sorted(left.items(), key=str)
    kept = {host_id for each in outcome.reservations for host_id in each.host_ids}
    for refusal in outcome.refused:
        whole = with_selectors(refusal.request, of_cell)
        for host_id in sorted(truth.views):
            if host_id not in kept:
                fits = not truth.broken(host_id, whole, of_cell)
                is_let_in = fits and outcome.placed and outcome.again_at_ms == NOW_MS
                assert not fits or is_let_in, (host_id, refusal)
        assert refusal.outcome.wake
    for held in outcome.held:
        assert held.rule
        assert held.words
        assert held.wake
