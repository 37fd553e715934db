"""Work of a trace against work of a tier: what is alike is one, and who is preempted waits anew."""

from msgspec.structs import replace

from projections.simulate.contention import (
    ENDING_MS,
    Contention,
    Work,
    contention,
    contention_of_trace,
    simulated,
    works_of,
)
from projections.simulate.trace import Trace, TraceTask
from scheduler.model.rules import Amount, PlacementRules
from scheduler.placement.engine import Placement
from scheduler.queue.outcome import RoundOutcome
from tests.support.queueing import ask, group, hosts, rules

HOUR_MS = 3_600_000
GUARANTEED = rules(replace(group("web", "Critical"), guarantee=Amount(memory_mib=8_192)))


def placement(of: PlacementRules = GUARANTEED) -> Placement:
    """One host of eight cpus."""
    made = Placement(of)
    made.put_hosts(hosts(1))
    return made


def report(*works: Work) -> Contention:
    """What the Critical ones among the works cost the others in an hour."""
    return contention(placement, GUARANTEED, works, HOUR_MS)


def test_tasks_that_ask_come_and_run_alike_are_one_work() -> None:
    request, other = ask("a"), ask("b")
    tasks = [
        TraceTask("1", request, 5, 25),
        TraceTask("2", other, 5, 25),
        TraceTask("3", request, 5, 25),
        TraceTask("4", request, 6, 26),
        TraceTask("5", request, 5, 26),
        TraceTask("6", request, 5, None),
        TraceTask("7", request, 5, 5),
    ]
    assert works_of(tasks) == [
        Work(request, 2, 5, 20),
        Work(other, 1, 5, 20),
        Work(request, 1, 6, 20),
        Work(request, 1, 5, 21),
        Work(request, 1, 5, 0),
        Work(request, 1, 5, 1),
    ]


def test_a_trace_is_followed_until_its_last_task_would_have_ended() -> None:
    web = ask("web", tier="Critical", group="web")
    tasks = [TraceTask("a", ask("wave"), 0, 30_000), TraceTask("b", web, 10_000, None)]
    found = contention_of_trace(Trace(hosts(1), tasks, has_times=True), GUARANTEED, "Critical")
    assert found.run_with.until_ms == 10_000 + HOUR_MS
    assert [each.useful_ms for each in found.run_with.served] == [30_000, HOUR_MS]
    assert found.lost_task_seconds == (("Flex", 0),)
    assert found.wait_ms_max == 0
    nothing = contention_of_trace(Trace(hosts(1), []), GUARANTEED, "Critical")
    assert (nothing.run_with.until_ms, nothing.lost_task_seconds) == (0, ())


def test_who_is_preempted_waits_anew_and_its_first_wait_counts() -> None:
    wave = Work(ask("wave"), 8, runtime_ms=600_000)
    web = Work(ask("web", cpu=2, tier="Critical", group="web"), 1, 60_000, 60_000)
    found = report(wave, web)
    flex, critical = found.run_with.served
    assert (critical.started, critical.wait_ms_max) == (1, ENDING_MS)
    assert (flex.preempted, flex.lost_ms) == (2, 2 * 60_000)
    assert (flex.started, flex.wait_ms_max, flex.all_started_at_ms) == (8, 0, 0)
    # Both begin anew when the service has ended, and run for their whole ten minutes.
    assert flex.useful_ms == 8 * 600_000
    assert found.lost_task_seconds == (("Flex", 0),)


def test_lent_work_is_preempted_first_and_is_no_loss_by_the_cells_budget() -> None:
    """Whoever runs on lent room has no claim to it; of the others two may be lost in an hour."""
    few = replace(GUARANTEED, guards=replace(GUARANTEED.guards, preemptions_per_hour=2))
    web = ask("web", cpu=2, tier="Critical", group="web")
    webs = [Work(web, 1, at_ms) for at_ms in (60_000, 90_000, 120_000, 150_000)]
    works = [Work(ask("lent", lent=True), 4), Work(ask("own"), 4), *webs]
    lent, own, *rest = simulated(placement(few), few, works, HOUR_MS).served
    assert (lent.preempted, own.preempted) == (4, 2)
    assert [each.started for each in rest] == [1, 1, 1, 0]


def test_each_round_is_watched_with_its_time() -> None:
    seen: list[tuple[int, int]] = []

    def watch(at_ms: int, outcome: RoundOutcome) -> None:
        seen.append((at_ms, sum(len(each.outcome.choices) for each in outcome.placed)))

    works = [Work(ask("a"), 8, 0, 5_000), Work(ask("b"), 3, 1_000)]
    run = simulated(placement(), GUARANTEED, works, 10_000, watch=watch)
    assert seen == [(0, 8), (1_000, 0), (5_000, 3)]
    assert run.rounds == len(seen)
    assert run.served[1].rounds_max == 2
    assert run.served[1].useful_ms == 3 * 5_000


def test_work_that_never_fits_has_not_started() -> None:
    run = simulated(placement(), GUARANTEED, [Work(ask("big", cpu=9), 1)], 10_000)
    (big,) = run.served
    assert (big.started, big.all_started_at_ms, big.wait_ms_max, big.rounds_max) == (0, None, 0, 0)
