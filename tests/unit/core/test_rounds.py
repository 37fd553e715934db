"""Rounds of placement: who is placed where, why the others wait, and what wakes the next round."""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.constraint import Constraint
from scheduler.model.events import ClassRefusal, RoundRecord, RuleRefusal
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import Need, PortRange, Resources
from tests.support.cell import CellInMemory, batch, offer_of, running_cell, service


def placed(cell: CellInMemory) -> dict[str, list[str]]:
    """Host and tasks of each launch that the next round proposes."""
    return {
        proposal.host_id: [each.task_id for each in proposal.launches]
        for proposal in cell.machine.decide()
        if isinstance(proposal, LaunchTasks)
    }


def record(cell: CellInMemory) -> RoundRecord:
    """The record of the next round."""
    (found,) = [each for each in cell.machine.decide() if isinstance(each, RoundRecord)]
    return found


def refusal(cell: CellInMemory) -> ClassRefusal:
    """Why the only job that waits does."""
    (found,) = record(cell).refusals
    return found


def test_the_fullest_host_that_fits_is_taken() -> None:
    cell = running_cell(hosts=0)
    cell.offer("large", cpus=8)
    cell.offer("small", cpus=1)
    cell.offer("medium", cpus=4)
    cell.submit(batch(1))
    assert placed(cell) == {"small": ["job-worker-0-1"]}


def test_who_must_be_near_another_job_follows_it_at_once() -> None:
    # Found by drawn queues: it had its turn before the other, and then waited for the next offer.
    cell = running_cell(hosts=0)
    for host in ("one", "two"):
        offer = offer_of(host, host, Resources(4_000, 4_096, 10_000, (PortRange(31_000, 31_999),)))
        cell.offers(replace(offer, facts=HostFacts(host, attributes=(("zone", "a"),))))
    near = Constraint("nearJob", "zone", ("leader",))
    cell.submit(service(1, hard_constraints=(near,)), "follower")
    cell.submit(service(1), "leader")
    assert [each.split("-")[0] for each in cell.launched()] == ["leader", "follower"]


def test_what_runs_there_already_counts_as_full() -> None:
    cell = running_cell(hosts=0)
    cell.offer("busy")
    cell.run(batch(2), "first")
    cell.offer("busy", cpus=3)
    cell.offer("idle", cpus=3)
    cell.submit(batch(1))
    assert list(placed(cell)) == ["busy"]


def test_a_job_fills_one_host_before_it_begins_another() -> None:
    cell = running_cell(hosts=3, cpus=1)
    cell.submit(batch(4))
    assert sorted(len(there) for there in placed(cell).values()) == [2, 2]


def test_older_jobs_come_first_and_low_indexes() -> None:
    cell = running_cell(hosts=1, cpus=1)
    cell.submit(batch(1), "second")
    cell.submit(batch(3), "first")
    assert placed(cell) == {"host1": ["second-worker-0-1", "first-worker-0-1"]}


def test_a_job_that_does_not_fit_lets_younger_ones_pass() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(1, need=Need(cpu_milli=64_000, memory_mib=32)), "large")
    cell.submit(batch(1), "small")
    assert placed(cell) == {"host1": ["small-worker-0-1"]}


def test_ports_are_the_lowest_free_ones_of_the_host() -> None:
    cell = running_cell(hosts=0)
    cell.offers(
        offer_of("a", "host1", Resources(9_000, 9_000, 900, (PortRange(40, 40), PortRange(7, 8)))),
        offer_of("b", "host1", Resources(0, 0, 0, (PortRange(9, 9),))),
    )
    cell.submit(batch(2, need=Need(cpu_milli=100, memory_mib=32, ports=2)))
    (launch,) = [each for each in cell.machine.decide() if isinstance(each, LaunchTasks)]
    assert launch.offer_ids == ("a", "b")
    assert [each.ports for each in launch.launches] == [(7, 8), (9, 40)]


def test_a_hard_unique_host_spreads_a_job_and_leaves_the_rest_waiting() -> None:
    cell = running_cell(hosts=2)
    cell.submit(batch(3, hard_constraints=(Constraint("uniqueHost"),)))
    assert sorted(len(there) for there in placed(cell).values()) == [1, 1]
    why = refusal(cell)
    assert why.waiting == 1
    assert [(each.rule, each.hosts) for each in why.refusals] == [("uniqueHost", 2)]
    assert "already runs a task of job job" in why.refusals[0].missing
    assert why.wake.startswith("an offer of a host without a task of the job, or the end of")


def test_a_soft_unique_host_spreads_a_job_and_then_doubles_up() -> None:
    cell = running_cell(hosts=2)
    cell.submit(batch(3, soft_constraints=(Constraint("uniqueHost"),)))
    assert sorted(len(there) for there in placed(cell).values()) == [1, 2]


def test_the_end_of_a_task_frees_its_host_for_the_next_one_of_the_job() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(2, hard_constraints=(Constraint("uniqueHost"),)))
    (first,) = cell.launched()
    cell.offer("host1")
    assert cell.launched() == []
    cell.status(first, "TASK_FINISHED")
    assert cell.launched() == ["job-worker-1-2"]


@pytest.mark.parametrize(
    ("need", "rule", "nearest", "missing"),
    [
        ({"cpu_milli": 5_000}, "cpu", "host1", "1 of 5 cpus missing"),
        ({"memory_mib": 9_000}, "memory", "host1", "808 of 9000 MiB of memory missing"),
        ({"ports": 50}, "ports", "host1", "1 of 50 ports missing"),
    ],
)
def test_a_refusal_names_the_nearest_host_and_what_it_lacks(
    need: dict[str, Any], rule: str, nearest: str, missing: str
) -> None:
    cell = running_cell(hosts=0)
    cell.offer("host2", cpus=2, memory_mib=512, ports=(1, 10))
    cell.offer("host1", ports=(1, 49))
    cell.submit(batch(1, need=Need(**({"cpu_milli": 100, "memory_mib": 32} | need))))
    why = refusal(cell)
    (found,) = why.refusals
    assert (found.rule, found.hosts, found.nearest_host_id) == (rule, 2, nearest)
    assert found.missing == missing
    assert why.wake == "an offer with more resources, or the end of a task"


def test_without_offers_the_round_says_so() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(2))
    why = refusal(cell)
    assert why.refusals == (RuleRefusal("offers", 0, None, "no host has offered resources"),)
    assert (why.waiting, why.wake) == (2, "an offer of any host")


def test_a_round_record_stands_before_its_launches_and_says_what_it_knew() -> None:
    cell = running_cell(hosts=2, cpus=1)
    cell.submit(batch(5))
    events = cell.machine.decide()
    kinds = [type(each) for each in events if isinstance(each, RoundRecord | LaunchTasks)]
    assert kinds == [RoundRecord, LaunchTasks, LaunchTasks]
    found = record(cell)
    assert (found.waiting, found.placed, found.hosts) == (5, 4, 2)
    assert found.policy_version == 1
    assert found.mesos_offset == cell.inbound["mesos"]
    assert found.inputs_seen == cell.state.placement_inputs
    assert [each.waiting for each in found.refusals] == [1]


def test_refusals_of_a_round_have_a_limit_and_the_rest_is_counted() -> None:
    cell = running_cell(hosts=0, policy=Policy(refusals_per_round_max=2))
    for name in "abcde":
        cell.submit(batch(1), name)
    found = record(cell)
    assert [each.job_id for each in found.refusals] == ["a", "b"]
    assert found.unexplained == 3


def test_a_round_that_was_cut_short_is_followed_by_another() -> None:
    cell = running_cell(hosts=3, cpus=2, policy=Policy(launches_per_round_max=4))
    cell.submit(batch(11))
    rounds = []
    while proposals := cell.decide():
        rounds.append(
            sum(len(each.launches) for _, each in proposals if isinstance(each, LaunchTasks))
        )
        for proposal_id, _ in proposals:
            cell.carry_out(proposal_id)
    assert [count for count in rounds if count] == [4, 4, 3]


def test_who_waits_for_the_next_round_is_told_so() -> None:
    cell = running_cell(hosts=1, policy=Policy(launches_per_round_max=1))
    cell.submit(batch(1), "first")
    cell.submit(batch(2), "second")
    assert [(each.job_id, each.wake) for each in record(cell).refusals] == [
        ("second", "the next round")
    ]


def test_after_a_round_nothing_is_decided_until_something_has_changed() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(1))
    cell.decide_and_carry_out()
    assert cell.machine.decide() == ()
    cell.tick(1_000)
    assert cell.machine.decide() == ()


def wakes(cell: CellInMemory) -> bool:
    """Whether a round would be written now."""
    return any(isinstance(each, RoundRecord) for each in cell.machine.decide())


@pytest.mark.parametrize(
    "what",
    [
        lambda cell: cell.offer("host9"),
        lambda cell: cell.submit(batch(1), "another"),
        lambda cell: cell.status(cell.task(0, "runs").task_id, "TASK_FINISHED"),
        lambda cell: cell.set_policy(launches_per_round_max=2),
        lambda cell: (cell.elect("new"), cell.subscribe(), cell.decide_and_carry_out()),
    ],
)
def test_what_could_change_the_answer_wakes_a_round(what: Any) -> None:
    cell = running_cell(hosts=1, cpus=1)
    cell.run(service(2), "runs")
    cell.submit(batch(1))
    cell.decide_and_carry_out()
    assert not wakes(cell)
    before = cell.state.placement_inputs
    what(cell)
    assert cell.state.placement_inputs > before


def test_input_that_came_while_a_round_was_written_wakes_the_next() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(1))
    events = cell.machine.decide()
    cell.offer("host1")
    cell.write(*events)
    assert placed(cell) == {"host1": ["job-worker-0-1"]}


def test_a_round_made_on_what_is_gone_meanwhile_is_refused_and_repeated() -> None:
    cell = running_cell(hosts=0)
    offer_id = cell.offer("host1")
    cell.submit(batch(1))
    events = cell.machine.decide()
    cell.rescind(offer_id)
    cell.offer("host2")
    cell.write(*events)
    assert cell.host_of(cell.task().task_id) is None
    assert placed(cell) == {"host2": ["job-worker-0-1"]}
