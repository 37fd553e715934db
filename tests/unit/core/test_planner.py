"""The cell's own placement: what the planner makes of the state, and what the fold makes of that.

Each test says what stands in the log and looks at what is proposed; `CellInMemory.decide` also
checks, each time, that the same state gives the same answer and that deciding changes nothing.
"""

from msgspec.structs import replace

from scheduler.model.changes import ProposalRefused
from scheduler.model.codec import decode_record
from scheduler.model.constraint import Constraint
from scheduler.model.events import RoundRecord, Tick
from scheduler.model.ids import HostId, JobId
from scheduler.model.inbound import RulesAsked
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, LaunchTasks, PreemptTask
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import Amount, CapacityGroup, Guards, PlacementRules
from scheduler.model.task import Finished, KillInitiated, Queued
from tests.support.cell import CellInMemory, batch, offer_of, running_cell, service

WHOLE = Need(cpu_milli=4_000, memory_mib=256, disk_mib=10)
"""All cpus of a host of the tests."""


def in_group(spec: JobSpec, group: str) -> JobSpec:
    return replace(spec, capacity_group=group)


def guaranteed(cpus: int, **guards: int) -> Policy:
    """A policy under which group ``web`` of tier Critical is guaranteed so many cpus."""
    rules = PlacementRules(
        groups=(
            CapacityGroup(
                name="web",
                tier="Critical",
                guarantee=Amount(cpu_milli=cpus * 1_000, memory_mib=cpus * 1_024),
            ),
            CapacityGroup(name="DEFAULT", tier="Flex"),
        ),
        guards=Guards(**guards),
    )
    return Policy(placement=rules)


def record(cell: CellInMemory) -> RoundRecord:
    """What the next round would write."""
    (found,) = [each for each in cell.machine.decide() if isinstance(each, RoundRecord)]
    return found


def rounds(cell: CellInMemory) -> list[RoundRecord]:
    """All rounds of the log."""
    events = [event for data in cell.log for event in decode_record(data).events]
    return [each for each in events if isinstance(each, RoundRecord)]


def test_a_guarantee_is_held_back_from_others() -> None:
    cell = running_cell(hosts=2, policy=guaranteed(4))
    cell.submit(batch(2, need=WHOLE), "flex")
    assert len(cell.launched()) == 1
    (told,) = rounds(cell)[0].refusals
    assert (told.job_id, told.waiting, told.refusals[0].rule) == ("flex", 1, "guarantee")
    cell.submit(in_group(service(1, need=WHOLE), "web"), "web")
    assert cell.launched() == ["web-worker-0-1"]


def preempting_cell(**guards: int) -> CellInMemory:
    """Two hosts full of Flex work from before the guarantee was given, and a service that waits."""
    cell = running_cell(hosts=2)
    cell.run(batch(2, need=WHOLE), "flex")
    rules = guaranteed(4, **guards).placement
    cell.copy("commands", RulesAsked(rules=rules, values={}, actor="op", why="test"))
    cell.submit(in_group(service(1, need=WHOLE), "web"), "web")
    return cell


def test_guaranteed_work_ends_other_work_where_it_may() -> None:
    cell = preempting_cell()
    (preemption,) = [each for _, each in cell.decide() if isinstance(each, PreemptTask)]
    victim = preemption.task_id
    assert (preemption.for_job, victim[:4]) == ("web", "flex")
    killed = cell.is_in(victim, KillInitiated)
    assert (killed.reason, "for job web" in killed.message) == ("evicted", True)
    (kill,) = cell.proposed(KillTask)
    assert kill.task_id == victim
    cell.status(victim, "TASK_KILLED")
    assert cell.is_in(victim, Finished).reason == "evicted"
    replacement = cell.task(int(victim.split("-")[2]), "flex")
    assert isinstance(replacement.state, Queued), "an evicted batch task is started again"
    assert replacement.eviction_resubmit_number == 1, "and that uses up no retry"
    cell.offer(preemption.host_id)
    assert cell.launched() == ["web-worker-0-1"], "the room is for whom it was made"


def test_no_more_is_ended_than_the_budget_allows() -> None:
    cell = preempting_cell(preemptions_per_hour=0)
    assert not [each for _, each in cell.decide() if isinstance(each, PreemptTask)]
    victim = cell.tasks("flex")[0].task_id
    host_id = cell.host_of(victim)
    assert host_id is not None
    cell.write(PreemptTask(victim, host_id, JobId("web"), "a wrong decide"))
    assert "budget of 0" in cell.said(ProposalRefused)[-1].why
    assert not isinstance(cell.task_state(victim), KillInitiated)


def test_a_refusal_is_written_when_it_is_news_and_then_every_ten_seconds() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(1, need=Need(9_000, 100)))
    first = record(cell)
    assert [each.job_id for each in first.refusals] == ["job"]
    cell.decide()
    cell.offer("host2")
    quiet = record(cell)
    assert quiet.refusals == ()
    assert quiet.again_at_ms == cell.now_ms + 10_000, "then it is looked at anew"
    cell.decide()
    assert cell.machine.decide() == ()
    cell.tick(10_000)
    again = record(cell)
    assert [each.refusals[0].hosts for each in again.refusals] == [2]


def test_a_record_says_why_there_and_who_came_second() -> None:
    cell = running_cell(hosts=2)
    cell.run(batch(1), "first")
    (there,) = [cell.host_of(each.task_id) for each in cell.tasks("first")]
    cell.offer(str(there))
    cell.submit(batch(1), "second")
    (told,) = record(cell).placements
    assert (told.job_id, told.placed, told.host_id) == ("second", 1, there)
    assert dict(told.parts)["packing"] > dict(told.runner_up_parts)["packing"]
    assert told.fitness > told.runner_up_fitness > 0
    assert record(cell).mode == "normal"


def declared(cell: CellInMemory, host: str, resources: Resources, **attributes: str) -> None:
    """Let a host offer these resources, with these attributes."""
    facts = HostFacts(hostname=host, attributes=tuple(sorted(attributes.items())))
    bare = offer_of(f"{host}-{len(cell.log)}", host, resources)
    cell.offers(Offer(bare.offer_id, bare.host_id, resources, facts))


def launches(cell: CellInMemory) -> list[LaunchTasks]:
    return cell.proposed(LaunchTasks)


def test_an_address_is_on_an_interface_of_its_security_groups() -> None:
    cell = running_cell(hosts=0)
    declared(cell, "host1", Resources(4_000, 4_096), res="ResourceSet-ENIs-2-1")
    for job, group in (("a", "sg-a"), ("b", "sg-b"), ("c", "sg-c")):
        need = Need(100, 32, addresses=1)
        cell.submit(batch(1, need=need, security_groups=(group,)), job)
    (launch,) = launches(cell)
    assert sorted(each.interface for each in launch.launches) == [0, 1]
    assert isinstance(cell.task(0, "c").state, Queued), "there are two interfaces of one address"


def test_devices_are_told_apart() -> None:
    cell = running_cell(hosts=0)
    declared(cell, "host1", Resources(4_000, 4_096, gpus=2))
    cell.submit(batch(3, need=Need(100, 32, gpus=1)))
    (launch,) = launches(cell)
    assert sorted(each.gpus for each in launch.launches) == [(0,), (1,)]


def test_bandwidth_counts_where_the_host_offers_it() -> None:
    cell = running_cell(hosts=0)
    declared(cell, "host1", Resources(4_000, 4_096, network_mbps=100))
    cell.submit(batch(3, need=Need(100, 32, network_mbps=60)))
    assert len(cell.launched()) == 1
    declared(cell, "host2", Resources(4_000, 4_096))
    assert len(cell.launched()) == 2, "a host that never offered any does not count it"


def test_a_leader_made_anew_decides_the_same() -> None:
    cell = running_cell(hosts=3)
    cell.run(batch(4, hard_constraints=(Constraint("uniqueHost"),)), "four")
    cell.run(service(2), "two")
    cell.offer("host1")
    cell.submit(batch(5), "more")
    assert cell.refolded().decide() == cell.machine.decide()


def test_a_host_that_is_gone_is_no_candidate() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(1, need=Need(9_000, 100)))
    assert record(cell).hosts == 1
    cell.decide()
    for offer_id in list(cell.state.offers):
        cell.rescind(offer_id)
    cell.tick(10_000)
    cell.submit(batch(1), "small")
    found = record(cell)
    assert (found.hosts, found.refusals[0].refusals[0].rule) == (0, "offers")


def test_the_hosts_that_changed_are_few() -> None:
    """Only what an event touched is looked at again; a tick touches nothing."""
    cell = running_cell(hosts=4)
    cell.run(batch(1))
    cell.decide_and_carry_out()
    cell.submit(batch(1, need=Need(9_000, 100)), "big")
    cell.decide()
    cell.write(Tick())
    assert not cell.state.hosts_changed
    cell.offer("host2")
    assert list(cell.state.hosts_changed) == [HostId("host2")]


def test_a_job_is_launched_no_faster_than_its_rate() -> None:
    rules = PlacementRules(guards=Guards(launches_per_job_per_minute=2))
    cell = running_cell(hosts=3, policy=Policy(placement=rules))
    cell.submit(batch(5))
    assert len(cell.launched()) == 2
    assert not cell.said(ProposalRefused), "the round knows the rate, and not only the fold"
    (told,) = rounds(cell)[-1].refusals
    assert (told.waiting, told.refusals[0].rule) == (3, "launch rate")
    for host in ("host1", "host2", "host3"):
        cell.offer(host)
    assert cell.launched() == []
    assert not cell.said(ProposalRefused)
    cell.tick(1_000, times=62)
    assert len(cell.launched()) == 2
    assert not cell.said(ProposalRefused)
