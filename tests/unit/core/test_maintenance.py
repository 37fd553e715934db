"""Hosts that an operator of Mesos takes away: drained within budgets, answered for, given back.

Each test speaks as the master does (inverse offers, offers with and without a window) and looks at
what the cell proposes. Time moves by ticks only.
"""

from typing import Any

from msgspec.structs import replace

from scheduler.model.changes import HostMaintenanceChanged, ProposalRefused, RelocationPlanned
from scheduler.model.disruption import (
    AvailabilityPercentage,
    BudgetPolicy,
    DisruptionBudget,
    SelfManaged,
)
from scheduler.model.ids import HostId, OfferId, StreamId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job import JobSpec
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    Offer,
)
from scheduler.model.proposals import AcceptInverseOffers, DeclineInverseOffers
from scheduler.model.resources import Resources
from scheduler.model.task import KillInitiated
from tests.support.cell import CellInMemory, running_cell, service
from tests.support.derived import check_digest

H1, H2 = HostId("host1"), HostId("host2")
HOUR_MS = 3_600_000


def asked(
    cell: CellInMemory,
    host: HostId = H1,
    in_ms: int = 1_800_000,
    for_ms: int | None = HOUR_MS,
    name: str = "inverse",
) -> OfferId:
    """Mesos asks for a host, which an operator takes away in so long."""
    said = InverseOffer(OfferId(name), host, cell.now_ms + in_ms, for_ms)
    cell.copy("mesos", InverseOffersReceived(cell.stream_id, (said,)))
    return OfferId(name)


def offered(cell: CellInMemory, host: HostId, **attributes: str) -> None:
    """The master offers a host, with what it says of its window."""
    facts = HostFacts(f"name-of-{host}", attributes=tuple(sorted(attributes.items())))
    resources = Resources(1_000, 1_024, 1_024, ())
    name = OfferId(f"more-{len(cell.log)}")
    cell.offers(Offer(offer_id=name, host_id=host, resources=resources, facts=facts))


def with_budget(spec: JobSpec, policy: BudgetPolicy) -> JobSpec:
    """The job with a budget of its own."""
    return replace(spec, budget=DisruptionBudget(policy))


def standings(cell: CellInMemory) -> list[str]:
    """What was said of windows, in order."""
    return [each.standing for each in cell.said(HostMaintenanceChanged)]


def standing_of(cell: CellInMemory, host: HostId = H1) -> str:
    """What the host may be used for, and by whose word."""
    order = cell.state.host_orders.get(host)
    return "enabled" if order is None else f"{order.standing} by {order.actor}"


def answers(cell: CellInMemory, within_ms: int = 200_000, **fates: Any) -> list[str]:
    """How Mesos is answered within a time; each name of a kind, in order."""
    found: list[str] = []
    for _ in range(within_ms // 2_000):
        cell.tick(2_000)
        done = cell.decide_and_carry_out(**fates)
        kinds = AcceptInverseOffers | DeclineInverseOffers
        found += [type(each).__name__ for each in done if isinstance(each, kinds)]
    return found


def one_task(policy: BudgetPolicy | None = None, tasks: int = 1) -> tuple[CellInMemory, TaskId]:
    """A cell of two hosts, the tasks of a service on the first of them; one of the tasks."""
    cell = running_cell(0)
    cell.offer("host1")
    spec = service(tasks) if policy is None else with_budget(service(tasks), policy)
    task_ids = cell.run(spec)
    assert {cell.host_of(each) for each in task_ids} == {H1}
    cell.offer("host2")
    cell.tick(15_000)
    return cell, task_ids[0]


def test_a_free_host_is_drained_and_given_at_once() -> None:
    cell = running_cell(2)
    asked(cell)
    assert standing_of(cell) == "draining by mesos-maintenance"
    cell.tick(2_000)
    (accept,) = cell.proposed(AcceptInverseOffers)
    assert accept.offer_ids == ("inverse",)
    # Nothing will change before the window: Mesos need not ask again until then.
    assert accept.refuse_ms == 29 * 60_000
    assert standings(cell) == ["announced", "draining", "accept"]
    cell.run(service(3))
    assert {cell.host_of(each.task_id) for each in cell.tasks()} == {H2}
    check_digest(cell.machine)


def test_a_far_window_waits_for_its_time() -> None:
    cell = running_cell(1)
    asked(cell, in_ms=2 * HOUR_MS)
    cell.tick(2_000)
    assert standing_of(cell) == "enabled"
    assert cell.proposed(AcceptInverseOffers) == []
    cell.pass_ms(HOUR_MS)
    assert standing_of(cell) == "draining by mesos-maintenance"
    assert answers(cell, 4_000) == ["AcceptInverseOffers"]


def test_tasks_that_will_have_left_in_time_are_accepted_for_and_leave() -> None:
    cell, task_id = one_task()
    asked(cell)
    assert answers(cell, 60_000)[:1] == ["AcceptInverseOffers"]
    cell.pass_ms(200_000)
    state = cell.is_in(task_id, KillInitiated)
    assert state.reason == "evicted"
    cell.decide_and_carry_out()
    cell.status(task_id, "TASK_KILLED")
    cell.tick(5_000)
    offered(cell, H1, **{"mesos.unavailable_from_ms": str(cell.state.maintenance[H1].from_ms)})
    cell.offer("host2")
    cell.decide_and_carry_out()
    assert cell.host_of(cell.task().task_id) == H2


def test_budgets_that_forbid_it_are_a_no_and_later_a_yes() -> None:
    cell, _ = one_task(AvailabilityPercentage(100_000), tasks=4)
    asked(cell)
    assert answers(cell)[:1] == ["DeclineInverseOffers"]
    window = cell.state.maintenance[H1]
    assert "must stay so" in window.why
    # The owner moves them himself, and Mesos asks again.
    for task in cell.tasks():
        cell.kill_task(task.task_id)
    cell.decide_and_carry_out()
    for task_id in list(cell.state.killing):
        cell.status(task_id, "TASK_KILLED")
    cell.decide_and_carry_out()
    asked(cell, in_ms=window.from_ms - cell.now_ms, name="again")
    assert answers(cell, 4_000) == ["AcceptInverseOffers"]


def test_too_many_turns_for_the_time_that_is_left_are_a_no() -> None:
    cell, _ = one_task(AvailabilityPercentage(75_000), tasks=4)  # One at a time.
    before = cell.state.clock.descheduled_at_ms
    while cell.state.clock.descheduled_at_ms == before:  # Two minutes until the next turn.
        cell.tick(10_000)
    asked(cell, in_ms=400_000)
    assert answers(cell, 36_000) == ["DeclineInverseOffers"]
    why = cell.state.maintenance[H1].why
    assert why.startswith("4 tasks need 4 turns, ")


def test_a_notice_ends_before_the_window() -> None:
    cell, _ = one_task(SelfManaged(relocation_time_ms=86_400_000))
    asked(cell, in_ms=1_800_000)
    cell.tick(30_000)
    cell.tick(2_000)
    planned = cell.said(RelocationPlanned)[-1]
    window = cell.state.maintenance[H1]
    assert planned.deadline_ms == window.from_ms - cell.state.policy.maintenance_margin_ms
    # The window comes forward: so does the plan.
    asked(cell, in_ms=600_000, name="sooner")
    cell.tick(30_000)
    (plan,) = cell.state.plans.values()
    assert plan.deadline_ms == cell.state.maintenance[H1].from_ms - 300_000


def test_an_answer_that_was_refused_is_given_again() -> None:
    cell = running_cell(1)
    asked(cell)
    cell.tick(2_000)
    ((proposal_id, _),) = [each for each in cell.decide() if "Inverse" in type(each[1]).__name__]
    assert cell.machine.decide() == ()
    cell.carry_out(proposal_id, "refused")
    assert standings(cell) == ["announced", "draining"]
    cell.tick(2_000)
    assert len(cell.proposed(AcceptInverseOffers)) == 1
    assert standings(cell)[-1] == "accept"


def test_an_answer_is_looked_at_again_at_its_own_place() -> None:
    cell = running_cell(1)
    asked(cell)
    for wrong in (
        DeclineInverseOffers((OfferId("inverse"),), 60_000),
        AcceptInverseOffers((OfferId("other"),), 60_000),
        AcceptInverseOffers((OfferId("inverse"), OfferId("inverse")), 60_000),
        AcceptInverseOffers((), 60_000),
    ):
        cell.tick(2_000)
        cell.write(wrong)
        assert isinstance(cell.said_last()[-1], ProposalRefused)


def test_a_rescinded_inverse_offer_gives_the_host_back() -> None:
    cell = running_cell(1)
    name = asked(cell)
    cell.copy("mesos", InverseOfferRescinded(cell.stream_id, name))
    assert cell.proposed(AcceptInverseOffers) == []
    cell.tick(2_000)
    assert standing_of(cell) == "draining by mesos-maintenance"  # It may be made anew.
    cell.tick(10_000)
    assert standing_of(cell) == "enabled"
    assert standings(cell)[-1] == "over"
    check_digest(cell.machine)


def test_a_changed_schedule_keeps_the_host_drained() -> None:
    cell = running_cell(1)
    name = asked(cell)
    cell.copy("mesos", InverseOfferRescinded(cell.stream_id, name))
    asked(cell, in_ms=900_000, name="anew")
    cell.tick(20_000)
    assert standing_of(cell) == "draining by mesos-maintenance"
    assert standings(cell)[:3] == ["announced", "draining", "announced"]


def test_an_offer_without_the_window_gives_the_host_back() -> None:
    cell = running_cell(1)
    asked(cell, in_ms=1_800_000)
    window = cell.state.maintenance[H1]
    told = {"mesos.unavailable_from_ms": str(window.from_ms)}
    offered(cell, H1, **told, **{"mesos.unavailable_for_ms": str(HOUR_MS)})
    assert standing_of(cell) == "draining by mesos-maintenance"
    offered(cell, H1)
    assert standing_of(cell) == "enabled"


def test_the_end_of_the_window_gives_the_host_back() -> None:
    cell = running_cell(1)
    asked(cell, in_ms=60_000, for_ms=60_000)
    cell.pass_ms(150_000)
    assert standing_of(cell) == "enabled"
    # Mesos goes on asking for a window that is over until its schedule is changed.
    asked(cell, in_ms=-120_000, for_ms=60_000, name="late")
    assert cell.state.maintenance == {}


def test_a_host_that_is_gone_leaves_no_order_behind() -> None:
    cell = running_cell(1)
    asked(cell, for_ms=None)
    cell.copy("mesos", HostFailed(cell.stream_id, host_id=H1))
    assert cell.state.maintenance == {}
    assert standing_of(cell) == "enabled"


def test_an_operators_word_stands() -> None:
    cell, _ = one_task()
    cell.copy("commands", HostOrdered(H1, "disabled", "ada", "looks odd"))
    asked(cell, in_ms=60_000, for_ms=60_000)
    assert standing_of(cell) == "draining by mesos-maintenance"
    cell.copy("commands", HostOrdered(H1, "enabled", "ada", "it must stay"))
    assert answers(cell, 4_000) == ["DeclineInverseOffers"]
    assert standing_of(cell) == "enabled"
    cell.pass_ms(150_000)
    assert standing_of(cell) == "enabled"


def test_what_an_operator_had_said_before_holds_again() -> None:
    cell = running_cell(1)
    cell.copy("commands", HostOrdered(H1, "lastChoice", "ada", "slow"))
    asked(cell, in_ms=60_000, for_ms=60_000)
    cell.pass_ms(150_000)
    assert standing_of(cell) == "lastChoice by ada"


def test_a_new_stream_asks_anew_or_gives_the_host_back() -> None:
    cell = running_cell(2)
    asked(cell, H1, name="one")
    asked(cell, H2, name="two")
    cell.stream_ends()
    cell.subscribe()
    assert cell.proposed(AcceptInverseOffers) == []
    asked(cell, H1, name="three")
    cell.pass_ms(90_000)
    assert standing_of(cell, H1) == "draining by mesos-maintenance"
    assert standing_of(cell, H2) == "enabled"


def test_what_is_heard_on_an_old_stream_says_nothing() -> None:
    cell = running_cell(1)
    old = cell.stream_id
    cell.subscribe()
    said = InverseOffer(OfferId("inverse"), H1, cell.now_ms + 60_000, None)
    cell.copy("mesos", InverseOffersReceived(old, (said,)))
    assert cell.state.maintenance == {}


def test_it_can_be_turned_off() -> None:
    cell = running_cell(1)
    cell.set_policy(maintenance_lead_ms=0)
    asked(cell, in_ms=60_000)
    assert answers(cell, 20_000) == []
    assert standing_of(cell) == "enabled"


def test_windows_and_their_answers_fold_alike() -> None:
    cell, _ = one_task()
    asked(cell)
    answers(cell, 60_000)
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_what_is_said_on_another_stream_or_of_a_host_that_nobody_knows_is_nothing() -> None:
    cell = running_cell(1)
    said = InverseOffer(OfferId("i"), H1, cell.now_ms + 1_000, HOUR_MS)
    cell.copy("mesos", InverseOffersReceived(StreamId("another"), (said,)))
    asked(cell, HostId("never-seen"))
    assert cell.state.maintenance == {}
    offer_id = asked(cell)
    before = cell.state.maintenance[H1]
    cell.copy("mesos", InverseOfferRescinded(StreamId("another"), offer_id))
    cell.copy("mesos", InverseOfferRescinded(cell.stream_id, OfferId("unknown")))
    assert cell.state.maintenance[H1] == before
    cell.copy("mesos", InverseOfferRescinded(cell.stream_id, offer_id))
    doubted = cell.state.maintenance[H1]
    assert (doubted.offer_id, doubted.is_open) == (None, False)
    assert doubted.doubted_until_ms > cell.now_ms


def test_a_window_that_is_over_when_it_is_said_ends_what_was_known() -> None:
    cell = running_cell(1)
    asked(cell, in_ms=-2 * HOUR_MS, for_ms=HOUR_MS)
    assert cell.state.maintenance == {}
    asked(cell, in_ms=60_000)
    assert cell.state.host_orders[H1].standing == "draining"
    asked(cell, in_ms=-2 * HOUR_MS, for_ms=HOUR_MS, name="again")
    assert (cell.state.maintenance, cell.state.host_orders) == ({}, {})
    assert cell.said(HostMaintenanceChanged)[-1].why == "its window is over"


def test_a_window_that_is_said_again_is_announced_once() -> None:
    cell = running_cell(1)
    from_ms = cell.now_ms + 1_800_000
    for name in ("one", "two"):
        said = InverseOffer(OfferId(name), H1, from_ms, HOUR_MS)
        cell.copy("mesos", InverseOffersReceived(cell.stream_id, (said,)))
    steps = [each.standing for each in cell.said(HostMaintenanceChanged)]
    assert steps.count("announced") == 1
    assert cell.state.maintenance[H1].offer_id == "two"


def test_windows_are_looked_at_each_two_seconds() -> None:
    cell = running_cell(1)
    cell.tick(4_000 - cell.now_ms % 2_000)
    asked(cell, in_ms=-HOUR_MS + 1_000, for_ms=HOUR_MS)
    cell.tick(1_500)
    assert H1 in cell.state.maintenance, "it is over, and not looked at yet"
    cell.tick(500)
    assert cell.state.maintenance == {}


def test_a_host_that_an_operator_drains_already_stays_his_when_the_window_is_over() -> None:
    cell = running_cell(1)
    cell.copy("commands", HostOrdered(H1, "draining", "ann", "disk"))
    asked(cell, in_ms=60_000, for_ms=60_000)
    assert standings(cell) == ["announced", "draining"]
    assert standing_of(cell) == "draining by ann"
    cell.pass_ms(180_000)
    assert (standings(cell)[-1], standing_of(cell)) == ("over", "draining by ann")


def test_the_same_answer_is_told_once_and_one_of_unknown_fate_not_at_all() -> None:
    cell = running_cell(1)
    asked(cell)
    cell.tick(2_000)
    assert cell.proposed(AcceptInverseOffers, "unknown") != []
    assert standings(cell) == ["announced", "draining"]
    assert (cell.state.maintenance[H1].answer, cell.state.maintenance[H1].is_open) == ("", False)
    for name in ("one", "two"):
        asked(cell, in_ms=1_798_000, name=name)
        cell.tick(2_000)
        assert len(cell.proposed(AcceptInverseOffers)) == 1
    assert standings(cell).count("accept") == 1
