"""Guaranteed work that fits nowhere ends others: the right ones, as few as will do, within budgets.

The cell is full of Flex work before Critical is guaranteed anything; then the rules change.
"""

from msgspec.structs import replace

from scheduler.model.rules import Guards, PlacementRules
from tests.support.queueing import SmallCell, ask, group, held, hosts, rules

WEB = ask("web", cpu=2, tier="Critical", group="web")


def _full(*jobs: str, number_of_hosts: int = 2, cpu: int = 1, after: PlacementRules) -> SmallCell:
    """Hosts filled by these jobs in turn, one task of each at a time; then other rules."""
    cell = SmallCell(hosts(number_of_hosts), rules())
    while True:
        before = len(cell.running)
        for job in jobs:
            cell.wait(ask(job, cpu=cpu, lent=job.startswith("spare")), 1)
            cell.round(now_ms=len(cell.running))
        if len(cell.running) == before:
            break
    for job in jobs:
        cell.queue.set_waiting(ask(job, cpu=cpu, lent=job.startswith("spare")), 0, 0, (0, 0))
    cell.rules = after
    return cell


GUARANTEED = rules(group("web", "Critical", cpu=4))


def test_room_is_made_for_what_is_guaranteed_and_for_no_more() -> None:
    cell = _full("batch", after=GUARANTEED)
    cell.wait(WEB, 3)
    outcome = cell.round(now_ms=1_000)
    # Two of three tasks are inside the guarantee of 4 cpus: four tasks of 1 cpu end.
    assert sum(each.count for each in outcome.preemptions) == 2
    assert len(cell.preempted) == 4
    assert held(outcome) == {"web": "preemption"}
    assert sum(each.count for each in outcome.promises) == 2
    cell.end_preempted()
    after = cell.round(now_ms=2_000)
    assert cell.counts() == {"batch": 12, "web": 2}
    assert after.preemptions == ()
    assert after.promises == ()


def test_the_freed_room_is_kept_for_the_one_it_was_freed_for() -> None:
    cell = _full("batch", after=GUARANTEED)
    cell.wait(WEB, 1)
    cell.round(now_ms=1_000)
    # While they end, other work of Critical and of Flex comes; none of it takes the room.
    cell.wait(ask("eager", tier="Critical", group="other"), 8, since_ms=1_000)
    cell.wait(ask("more"), 8, since_ms=1_000)
    one, other = cell.preempted
    cell.end(one)
    between = cell.round(now_ms=1_500)
    assert "eager" not in cell.counts()
    assert between.preemptions == ()  # Nobody else ends for the same task.
    cell.end(other)
    cell.round(now_ms=2_000)
    assert cell.counts() == {"batch": 14, "web": 1}


def test_what_is_placed_beside_the_room_that_is_freed_does_not_use_it() -> None:
    cell = _full("batch", number_of_hosts=1, after=GUARANTEED)
    cell.end(min(cell.running))
    cell.end(min(cell.running))
    cell.wait(WEB, 2)
    outcome = cell.round(now_ms=1_000)
    # One found room on the host where room for the other is being made.
    assert cell.counts()["web"] == 1
    assert sum(each.count for each in outcome.promises) == 1
    # Nothing was freed yet: nobody else ends for the same task.
    assert cell.round(now_ms=1_500).preemptions == ()
    assert len(cell.preempted) == 2


def test_nobody_is_ended_where_there_is_room() -> None:
    cell = SmallCell(hosts(2), GUARANTEED)
    cell.wait(ask("batch"), 12)
    cell.round()
    cell.wait(WEB, 2)
    assert cell.round(1).preemptions == ()
    assert cell.counts()["web"] == 2


def test_opportunistic_tasks_end_first_even_if_there_are_more_of_them() -> None:
    cell = _full("batch", "spare", number_of_hosts=1, after=GUARANTEED)
    cell.wait(WEB, 1)
    outcome = cell.round(now_ms=1_000)
    victims = [task for each in outcome.preemptions for task in each.victims]
    assert [task.job_id for task in victims] == ["spare", "spare"]


def test_the_youngest_end_where_they_are_equal() -> None:
    cell = _full("batch", number_of_hosts=1, after=GUARANTEED)
    cell.wait(WEB, 1)
    outcome = cell.round(now_ms=1_000)
    (preemption,) = outcome.preemptions
    assert [task.since_ms for task in preemption.victims] == [7, 6]
    assert preemption.words == (
        "2 tasks end for 1 of job web, whose group web of tier Critical is below its guarantee "
        "and fits on no host"
    )


def test_one_large_task_ends_rather_than_two_small_ones() -> None:
    cell = SmallCell(hosts(1), rules())
    cell.wait(ask("large", cpu=2), 1)
    cell.wait(ask("small"), 6)
    cell.round()
    cell.rules = GUARANTEED
    cell.wait(WEB, 1)
    outcome = cell.round(now_ms=1_000)
    assert [task.job_id for each in outcome.preemptions for task in each.victims] == ["large"]


def test_a_tier_that_may_not_be_preempted_is_left_alone() -> None:
    tiers = tuple(replace(tier, may_preempt=()) for tier in GUARANTEED.tiers)
    cell = _full("batch", after=replace(GUARANTEED, tiers=tiers))
    cell.wait(WEB, 1)
    outcome = cell.round(now_ms=1_000)
    assert outcome.preemptions == ()
    assert {str(each.request.job_id) for each in outcome.refused} == {"web"}


def test_best_effort_work_of_a_higher_tier_ends_nobody() -> None:
    cell = _full("batch", after=rules(group("web", "Critical")))
    cell.wait(WEB, 1)
    assert cell.round(now_ms=1_000).preemptions == ()


def test_a_group_keeps_what_it_is_guaranteed() -> None:
    after = rules(group("web", "Critical", cpu=8), group("etl", cpu=14))
    cell = SmallCell(hosts(2), rules(group("etl")))
    cell.wait(ask("etl", group="etl"), 16)
    cell.round()
    cell.rules = after
    cell.wait(WEB, 4)
    outcome = cell.round(now_ms=1_000)
    # 16 cpus, 14 of them guaranteed: two may end, for one task of web.
    assert len(cell.preempted) == 2
    assert sum(each.count for each in outcome.preemptions) == 1


def test_every_budget_is_asked() -> None:
    cases: tuple[tuple[str, dict[str, int], int, int], ...] = (
        ("the job's disruption budget", {}, 2, 1),
        ("the hour of the cell", {"preemptions_per_hour": 3}, 1_000, 1),
        ("the hour of the job", {"preemptions_per_job_per_hour": 2}, 1_000, 1),
        ("an hour of none", {"preemptions_per_hour": 0}, 1_000, 0),
        ("none of them", {}, 1_000, 2),
    )
    for name, guards, disruptable, tasks in cases:
        cell = _full("batch", after=replace(GUARANTEED, guards=Guards(**guards)))
        cell.disruptable = disruptable
        cell.wait(WEB, 2)
        outcome = cell.round(now_ms=1_000)
        assert sum(each.count for each in outcome.preemptions) == tasks, name
        assert len(cell.preempted) == 2 * tasks, name


def test_a_gang_is_given_room_for_all_of_it_or_ends_nobody() -> None:
    ring = ask("ring", cpu=2, tier="Critical", group="web", gang="ring")
    for disruptable, victims in ((1_000, 4), (3, 0)):
        cell = _full("batch", after=GUARANTEED)
        cell.disruptable = disruptable
        cell.wait(ring, 2)
        cell.round(now_ms=1_000)
        assert len(cell.preempted) == victims


def test_a_gang_that_fits_in_part_is_given_room_for_the_rest_only() -> None:
    ring = ask("ring", cpu=2, tier="Critical", group="web", gang="ring")
    cell = _full("batch", after=GUARANTEED)
    for task_id in cell.tasks_of("batch")[:2]:
        cell.end(task_id)  # Two cpus of one host.
    cell.wait(ring, 2)
    outcome = cell.round(now_ms=1_000)
    assert len(cell.preempted) == 2
    # Both rooms are kept, the one that was there as well as the one that is made.
    assert sum(each.count for each in outcome.promises) == 2
    cell.wait(ask("more"), 4, since_ms=1_000)
    cell.round(now_ms=1_500)
    cell.end_preempted()
    cell.round(now_ms=2_000)
    assert cell.counts()["ring"] == 2


def test_room_that_never_becomes_free_is_not_waited_for_for_ever() -> None:
    cell = _full("batch", after=GUARANTEED)
    cell.wait(WEB, 1)
    first = cell.round(now_ms=1_000)
    assert first.promises[0].at_ms == 1_000
    assert first.again_at_ms == 600_000  # Aging comes first here, the promise a second later.
    cell.preempted = []  # They do not want to end.
    assert cell.round(now_ms=600_999).preemptions == ()
    assert len(cell.round(now_ms=601_000).preemptions) == 1
