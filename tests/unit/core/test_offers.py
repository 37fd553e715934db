"""Offers: what is held, what voids it, and what gives it back."""

from typing import Any

from msgspec.structs import replace

from scheduler.invariants import check_everything
from scheduler.machine import Machine
from scheduler.model.events import LeaderElected
from scheduler.model.ids import HostId, StreamId
from scheduler.model.inbound import OffersChanged
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import (
    DeclineOffers,
    LaunchTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.resources import PortRange, Resources
from scheduler.model.rules import Guards, PlacementRules
from scheduler.model.task import Launched, Placed, Queued
from scheduler.rounds.talk import offer_care
from tests.support.cell import CellInMemory, batch, offer_of, running_cell, subscription

SMALL = Resources(1_000, 512, 100)


def held(cell: CellInMemory) -> list[str]:
    """The offers that are ours to use."""
    return sorted(cell.state.offers)


def launch_decided(cell: CellInMemory) -> Any:
    """The id of a launch that was decided just now."""
    ((proposal_id, _),) = [
        (proposal_id, each) for proposal_id, each in cell.decide() if isinstance(each, LaunchTasks)
    ]
    return proposal_id


def test_an_offer_is_held_with_its_hosts_facts() -> None:
    cell = running_cell(hosts=0)
    cell.offer("host1", name="a")
    offer = cell.state.offers[next(iter(cell.state.offers))]
    assert (offer.offer_id, offer.host_id) == ("a", "host1")
    assert offer.resources == Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_999),))
    assert cell.state.hostname(HostId("host1")) == "name-of-host1"
    assert cell.state.hostname(HostId("other")) == "other"


def test_facts_are_kept_from_offer_to_offer_and_replaced_when_they_change() -> None:
    cell = running_cell(hosts=0)
    cell.offer("host1")
    cell.offers(replace(offer_of("b", "host1", SMALL), facts=None))
    assert cell.state.hostname(HostId("host1")) == "name-of-host1"
    cell.offers(replace(offer_of("c", "host1", SMALL), facts=HostFacts(hostname="moved")))
    assert cell.state.hostname(HostId("host1")) == "moved"


def test_a_rescinded_offer_is_gone_and_an_unknown_one_says_nothing() -> None:
    cell = running_cell(hosts=0)
    first = cell.offer("host1", name="a")
    cell.offer("host1", name="b")
    cell.rescind(first)
    assert held(cell) == ["b"]
    cell.rescind(first)
    assert held(cell) == ["b"]


def test_one_difference_takes_back_before_it_adds() -> None:
    cell = running_cell(hosts=0)
    first = cell.offer("host1", name="a")
    cell.offers(offer_of("b", "host2", SMALL), removed=(first,))
    assert held(cell) == ["b"]


def test_a_new_stream_voids_all_offers() -> None:
    cell = running_cell(hosts=3)
    assert len(held(cell)) == 3
    cell.subscribe()
    assert held(cell) == []
    assert cell.state.host_offers == {}


def test_an_election_voids_all_offers() -> None:
    cell = running_cell(hosts=3)
    cell.write(LeaderElected(candidate="other", incarnation="j"))
    assert held(cell) == []


def test_the_end_of_the_stream_voids_all_offers() -> None:
    cell = running_cell(hosts=3)
    cell.stream_ends()
    assert held(cell) == []
    assert cell.machine.decide() == ()


def test_the_end_of_an_old_stream_voids_nothing() -> None:
    cell = running_cell(hosts=1)
    old = cell.stream_id
    cell.subscribe()
    cell.offer("host1", name="a")
    cell.stream_id, new = old, cell.stream_id
    cell.stream_ends()
    assert held(cell) == ["a"]
    assert cell.state.stream.stream_id == new


def test_offers_of_an_old_stream_are_ignored() -> None:
    cell = running_cell(hosts=0)
    old, new = cell.stream_id, cell.subscribe()
    cell.offer("host1", name="a")
    cell.stream_id = old
    cell.offer("host2", name="b")
    cell.rescind(*cell.state.offers)
    assert held(cell) == ["a"]
    assert cell.state.stream.stream_id == new


def test_a_stream_that_an_old_leader_opened_late_is_ignored() -> None:
    cell = running_cell(hosts=1)
    old_epoch = cell.epoch
    cell.elect("cell-1")
    new = cell.subscribe()
    cell.offer("host1", name="a")
    cell.copy("mesos", subscription(StreamId("late"), old_epoch))
    assert cell.state.stream.stream_id == new
    assert held(cell) == ["a"]


def test_an_offer_that_is_rescinded_under_an_accepted_launch_sends_its_tasks_back() -> None:
    cell = running_cell(hosts=0)
    first = cell.offer("host1", cpus=1, name="a")
    cell.offer("host1", cpus=1, name="b")
    cell.submit(batch(4))
    launch_decided(cell)
    assert {type(task.state) for task in cell.tasks()} == {Placed}
    cell.rescind(first)
    assert {type(task.state) for task in cell.tasks()} == {Queued}
    assert held(cell) == ["b"]
    assert len(cell.launched()) == 2


def test_an_offer_that_is_rescinded_under_a_started_launch_is_for_mesos_to_refuse() -> None:
    cell = running_cell(hosts=0)
    offer_id = cell.offer("host1", name="a")
    cell.submit(batch(1))
    proposal_id = launch_decided(cell)
    cell.start(proposal_id)
    cell.rescind(offer_id)
    assert isinstance(cell.task().state, Launched)
    cell.end(proposal_id, fate="refused")
    assert held(cell) == [], "a rescinded offer does not come back"


def test_an_offer_is_used_up_by_its_launch() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(1))
    cell.launched()
    assert held(cell) == []


def test_a_refused_call_leaves_its_offers_with_us() -> None:
    cell = running_cell(hosts=0)
    cell.offer("host1", name="a")
    cell.submit(batch(1))
    proposal_id = launch_decided(cell)
    cell.carry_out(proposal_id, "refused")
    assert held(cell) == ["a"]


def test_a_call_of_unknown_fate_does_not() -> None:
    cell = running_cell(hosts=0)
    cell.offer("host1", name="a")
    cell.submit(batch(1))
    proposal_id = launch_decided(cell)
    cell.carry_out(proposal_id, "unknown")
    assert held(cell) == []


def test_what_is_held_too_long_is_given_back_oldest_first() -> None:
    cell = running_cell(hosts=0, policy=Policy(offer_hold_ms=20_000))
    cell.offer("host2", name="z")
    cell.tick(1_000)
    cell.offer("host1", name="a")
    cell.tick(18_999)
    assert cell.proposed(DeclineOffers) == []
    cell.tick(1)
    assert cell.proposed(DeclineOffers) == [DeclineOffers(offer_ids=("z",), refuse_ms=5_000)]  # type: ignore[arg-type]
    cell.tick(1_000)
    assert [each.offer_ids for each in cell.proposed(DeclineOffers)] == [("a",)]
    assert held(cell) == []


def test_what_is_held_too_much_is_given_back_oldest_first() -> None:
    cell = running_cell(hosts=0, policy=Policy(offers_held_max=2))
    for name in "cba":
        cell.offer(f"host-{name}", name=name)
        cell.tick(1_000)
    assert [each.offer_ids for each in cell.proposed(DeclineOffers)] == [("c",)]
    assert held(cell) == ["a", "b"]


def test_a_large_surplus_is_given_back_in_several_calls() -> None:
    cell = running_cell(hosts=0, policy=Policy(offers_held_max=1))
    cell.offers(*(offer_of(f"o{number:04}", f"h{number}", SMALL) for number in range(1_202)))
    declined = cell.proposed(DeclineOffers)
    assert [len(each.offer_ids) for each in declined] == [500, 500, 201]
    assert len(held(cell)) == 1


def test_offers_that_a_round_uses_are_not_given_back_by_it() -> None:
    cell = running_cell(hosts=0, policy=Policy(offer_hold_ms=20_000))
    cell.offer("host1", name="a")
    cell.offer("host2", name="b")
    cell.tick(30_000)
    cell.submit(batch(1))
    proposals = [each for _, each in cell.decide()]
    (launch,) = [each for each in proposals if isinstance(each, LaunchTasks)]
    (decline,) = [each for each in proposals if isinstance(each, DeclineOffers)]
    assert {*launch.offer_ids, *decline.offer_ids} == {"a", "b"}


def test_a_cell_in_which_nothing_waits_asks_for_no_more_offers() -> None:
    cell = running_cell(hosts=2, policy=Policy(offer_hold_ms=10**9))
    cell.tick(1_000)
    cell.decide_and_carry_out()
    cell.pass_ms(599_999)
    assert cell.proposed(SuppressOffers) == []
    cell.tick(1)
    proposals = cell.decide_and_carry_out()
    assert sum(isinstance(each, SuppressOffers) for each in proposals) == 1
    assert held(cell) == []
    cell.pass_ms(120_000)
    assert cell.proposed(SuppressOffers) == []


def suppressed_cell() -> CellInMemory:
    """A cell that has asked for no more offers."""
    cell = running_cell(hosts=0)
    cell.pass_ms(700_000)
    assert len(cell.proposed(SuppressOffers)) == 1
    return cell


def test_offers_are_asked_for_again_as_soon_as_something_waits() -> None:
    cell = suppressed_cell()
    cell.submit(batch(1))
    assert len(cell.proposed(ReviveOffers)) == 1
    assert not cell.state.stream.is_suppressed
    cell.offer("host1")
    assert len(cell.launched()) == 1


def test_a_new_stream_is_never_suppressed() -> None:
    cell = suppressed_cell()
    cell.subscribe()
    assert not cell.state.stream.is_suppressed


def test_a_revival_that_did_not_go_through_is_repeated_after_a_pause() -> None:
    cell = suppressed_cell()
    cell.submit(batch(1))
    assert len(cell.proposed(ReviveOffers, "refused")) == 1
    assert cell.proposed(ReviveOffers) == []
    cell.tick(1_000)
    assert len(cell.proposed(ReviveOffers)) == 1


def test_while_something_waits_offers_stay_asked_for() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(1))
    cell.pass_ms(700_000)
    assert cell.proposed(SuppressOffers) == []


def test_offers_before_any_stream_are_ignored() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.copy(
        "mesos",
        OffersChanged(
            stream_id=StreamId("s"), first_offset=1, added=(offer_of("a", "host1", SMALL),)
        ),
    )
    assert held(cell) == []


def test_an_offer_that_comes_back_from_a_refused_launch_is_as_old_as_it_was() -> None:
    """Ages are kept from the first question on; a younger offer came while the launch was away."""
    cell = running_cell(hosts=0, policy=Policy(offer_hold_ms=20_000, offers_held_max=1))
    cell.offer("host1", name="b")
    cell.submit(batch(1))
    proposal_id = launch_decided(cell)
    cell.tick(1_000)
    cell.offer("host2", memory_mib=8, name="a")
    assert cell.proposed(DeclineOffers) == []
    cell.carry_out(proposal_id, "refused")
    assert list(cell.state.offers) == ["a", "b"], "the order of coming is another than that of age"
    check_everything(cell.state)
    (declined,) = offer_care(cell.state, frozenset())
    assert isinstance(declined, DeclineOffers)
    assert declined.offer_ids == ("b",), "the oldest is given back first"


def test_offers_are_given_back_alike_whether_ages_were_kept_all_along_or_are_made_now() -> None:
    cell = running_cell(hosts=0, policy=Policy(offer_hold_ms=20_000, offers_held_max=4))
    declined = []
    for number in range(30):
        cell.offer(f"host{number % 7}", memory_mib=8, name=f"o{number * 7 % 30:02}")
        if number % 5 == 4:
            cell.rescind(next(reversed(cell.state.offers)))
        cell.tick(number % 3 * 4_000)
        anew = Machine.restored(cell.machine.kept())
        assert anew.state.offers_by_age is None
        kept = frozenset(list(cell.state.offers)[::3])
        declined.append(tuple(offer_care(cell.state, kept)))
        assert declined[-1] == tuple(offer_care(anew.state, kept))
        check_everything(cell.state)
    assert any(declined)


def test_a_host_is_looked_at_anew_where_a_step_of_its_task_changes_what_placement_sees() -> None:
    """Half of a task's steps change nothing there, unless a rule counts what has not started."""
    for guards, is_seen in ((Guards(), False), (Guards(launching_per_host_max=3), True)):
        cell = running_cell(hosts=1, policy=Policy(placement=PlacementRules(guards=guards)))
        cell.submit(batch(1))
        cell.launched()
        seen = []
        for state in ("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"):
            cell.state.hosts_changed.clear()
            cell.status(cell.task().task_id, state)
            seen.append(bool(cell.state.hosts_changed))
        assert seen == [False, is_seen, True]
