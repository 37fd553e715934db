"""What streams are told seldom: of hosts and groups that go, of late writers, of what is gone.

A view and its observer follow a cell in memory, record by record.
"""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from projections.cell_view import CellView
from projections.observe.agents import Agents
from projections.observe.names import Stream
from projections.observe.observer import Observer, job_told, quota_told, task_told
from projections.observe.ring import Told
from projections.observe.snapshots import pieces
from projections.observe.wanted import NO_MATCH, Wanted
from projections.v3_query import Query
from scheduler.model.changes import RelocationPlanned, TaskChanged
from scheduler.model.codec import RECORD_VERSION, decode_record
from scheduler.model.disruption import DisruptionBudget, SelfManaged
from scheduler.model.events import CellRecord, ClassRefusal, RoundRecord, RuleRefusal, Tick
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import Need, Resources
from scheduler.task_table import Input
from tests.support.cell import CellInMemory, batch, running_cell, service

ROOM = Resources(1_000, 1_024, 1_024, ())


class Followed:
    """A view that follows a cell, and what its observer has told of each record."""

    def __init__(self, cell: CellInMemory, first: int = 0) -> None:
        """What is before the first record is there already, and told of no more."""
        self.cell, self.view, self.observer = cell, CellView(), Observer()
        for offset, data in enumerate(cell.log[:first]):
            self.view.apply(offset, decode_record(data))
        self.observer.begin(self.view)
        self.told: list[dict[Stream, list[Told]]] = []

    def follow(self) -> "Followed":
        """Take what the cell has written meanwhile; this."""
        for offset in range(self.view.next_offset, len(self.cell.log)):
            record = decode_record(self.cell.log[offset])
            changes = self.view.apply(offset, record)
            self.told.append(self.observer.told(self.view, offset, record, changes))
        return self

    def of(self, stream: Stream) -> list[Told]:
        """All that one stream was told."""
        return [each for told in self.told for each in told.get(stream, ())]


def followed(cell: CellInMemory) -> Followed:
    """All of the cell's log, followed."""
    return Followed(cell).follow()


def said(told: Told) -> Any:
    """What an event says."""
    return msgspec.json.decode(told.data)


def offered(cell: CellInMemory, host: str, group: str = "") -> None:
    """A host of a group comes."""
    attributes = (("group", group),) if group else ()
    offer_id = OfferId(f"offer-{len(cell.log)}")
    facts = HostFacts(f"name-of-{host}", attributes=attributes)
    cell.offers(Offer(offer_id, HostId(host), ROOM, facts))


# Hosts and groups.


def forgetful() -> CellInMemory:
    """A cell that remembers two hosts: one of group a, and one of none, that have gone."""
    cell = running_cell(0)
    cell.set_policy(hosts_max=2)
    offered(cell, "one", "a")
    offered(cell, "two")
    cell.rescind(*cell.state.offers)
    return cell


def test_a_host_that_is_forgotten_is_told_as_gone_and_its_group_behind_it() -> None:
    cell = forgetful()
    there = Followed(cell, len(cell.log))
    offered(cell, "three", "b")
    assert set(cell.state.hosts) == {"two", "three"}
    told = [(each.kind, each.name) for each in there.follow().of("agents")]
    assert told == [
        ("AgentInstanceUpdate", "three"),
        ("AgentInstanceRemoved", "one"),
        ("InstanceGroupUpdate", "b"),
        ("InstanceGroupRemoved", "a"),
    ]
    gone = {each.kind: said(each) for each in there.of("agents") if "Removed" in each.kind}
    assert gone == {
        "AgentInstanceRemoved": {"instanceId": "one"},
        "InstanceGroupRemoved": {"instanceGroupId": "a"},
    }


def test_a_host_of_no_group_that_is_forgotten_takes_no_group_along() -> None:
    cell = forgetful()
    offered(cell, "three")
    there = Followed(cell, len(cell.log))
    offered(cell, "four")
    told = [(each.kind, each.name) for each in there.follow().of("agents")]
    assert told == [("AgentInstanceUpdate", "four"), ("AgentInstanceRemoved", "two")]
    agents = Agents()
    agents.begin(there.view)
    assert agents.news(there.view, decode_record(cell.log[-1])) == []


# Writers that lead no more, and what is not there.


def test_a_round_of_who_leads_no_more_is_told_to_nobody() -> None:
    cell = running_cell(1)
    cell.submit(batch(need=Need(cpu_milli=64_000, memory_mib=1)), "job")
    refusal = ClassRefusal(JobId("job"), 1, (RuleRefusal("cpu", 1),), "an offer")
    late = RoundRecord(1, 1, 1, waiting=1, placed=0, hosts=1, refusals=(refusal,))
    epoch = cell.epoch
    cell.elect("cell-1")
    there = Followed(cell, len(cell.log))
    cell.write(late, epoch=epoch)
    assert there.follow().told == [{}]
    cell.write(late)
    (told,) = there.follow().of("scheduler")
    assert said(told)["failures"] == [{"rule": "cpu", "hosts": 1}]
    assert said(told)["round"] == f"test/0a0b0c0d:{len(cell.log) - 1}[0]"


def test_of_a_change_the_leader_is_told_and_who_led_before() -> None:
    cell = running_cell(1)
    there = Followed(cell, len(cell.log))
    cell.elect("cell-1")
    told = there.follow().of("membership")
    assert [each.name for each in told] == ["cell-0", "cell-1", "cell-1"]


def test_what_nobody_knows_is_told_by_no_event() -> None:
    view = followed(running_cell(1)).view
    assert job_told(view, JobId("nobody")) is None
    assert task_told(view, TaskId("nobody-worker-0-1")) is None


def test_what_is_gone_with_its_record_is_not_told_as_new() -> None:
    there = followed(running_cell(1))
    plan = RelocationPlanned(JobId("job"), TaskId("job-worker-0-1"), "hostDraining", "", 9)
    record = CellRecord(RECORD_VERSION, there.view.state.epoch, 0, (Tick(),))
    assert there.observer.told(there.view, 99, record, [(0, plan)]) == {}
    step = TaskChanged(JobId("job"), TaskId("job-worker-0-1"), "Accepted", Input.LAUNCH_ACCEPTED)
    assert there.observer.told(there.view, 99, record, [(0, step)]) == {}


# Snapshots.


def test_a_snapshot_leaves_out_what_went_while_it_was_made() -> None:
    cell = forgetful()
    cell.submit(batch(need=Need(cpu_milli=64_000, memory_mib=1)), "big")
    cell.launched()
    there = followed(cell)
    instances, refusals = (pieces(there.view, each, Query()) for each in ("agents", "scheduler"))
    assert [_name(each(there.view)) for each in instances] == ["a", "one", "two"]
    assert [_name(each(there.view)) for each in refusals] == ["big"]
    offered(cell, "three", "b")
    cell.kill_job("big")
    there.follow()
    assert [_name(each(there.view)) for each in instances] == ["a", "", "two"]
    assert [each(there.view) for each in refusals] == [None]


def _name(told: Told | None) -> str:
    return told.name if told else ""


def test_a_snapshot_of_members_is_of_those_who_are_known() -> None:
    cell = running_cell(1)
    cell.elect("cell-1")
    there = followed(cell)
    made = pieces(there.view, "membership", Query())
    assert [_name(each(there.view)) for each in made] == ["cell-0", "cell-1"]
    other = followed(running_cell(1)).view
    assert [_name(each(other)) for each in made] == ["cell-0", ""], "it is known no more"


def test_a_plan_of_a_task_that_is_over_is_in_no_snapshot() -> None:
    cell = running_cell(1)
    patient = replace(service(1), budget=DisruptionBudget(SelfManaged(600_000)))
    (task_id,) = cell.run(patient, "s")
    cell.copy("commands", HostOrdered(HostId("host1"), "draining", "op", "new kernel"))
    cell.pass_ms(60_000)
    there = followed(cell)
    (piece,) = pieces(there.view, "relocation", Query())
    told = piece(there.view)
    assert told is not None
    assert (told.kind, told.job_id, told.task_id) == ("TaskRelocationPlanUpdate", "s", task_id)
    cell.status(task_id, "TASK_FAILED")
    cell.pass_ms(60_000)
    there.follow()
    assert piece(there.view) is None


def test_a_snapshot_of_evictions_is_the_quota() -> None:
    view = followed(running_cell(1)).view
    (piece,) = pieces(view, "eviction", Query())
    told = piece(view)
    assert told is not None
    assert (told.kind, said(told)) == ("EvictionQuota", said(quota_told(view)))
    assert set(said(told)) == {"quota"}


# Criteria.


def test_a_reader_is_told_the_fields_that_it_asked_for_and_the_id() -> None:
    cell = running_cell(1)
    cell.run(service(1), "s")
    there = followed(cell)
    wanted = Wanted(Query(fields=("status.state",)), is_resumed=False)
    for each in there.of("jobs"):
        data = wanted.data_of(there.view, each)
        assert data is not None
        thing = "task" if each.task_id else "job"
        found = msgspec.json.decode(data)
        assert set(found[thing]) == {"id", "status"}
        assert set(found[thing]["status"]) == {"state"}
        assert found["archived"] is False
    assert {each.kind for each in there.of("jobs")} == {"JobUpdate", "TaskUpdate"}


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_task_that_was_moved_away_is_told_once_more_and_matches_no_more(
    is_resumed: bool,
) -> None:
    cell = running_cell(2)
    (task_id,) = cell.run(service(1), "here")
    cell.run(service(1), "there")
    before = followed(cell).of("jobs")
    there = Followed(cell, len(cell.log))
    cell.copy("jobs", TaskMoveAsked(task_id, JobId("here"), JobId("there"), actor="ada", why="x"))
    cell.status(task_id, "TASK_FAILED")
    later = [each for each in there.follow().of("jobs") if each.task_id == task_id]
    assert len(later) >= 2
    of_here = Wanted(Query(job_ids=frozenset({"here"})), is_resumed=is_resumed)
    if not is_resumed:
        for each in before:
            of_here.data_of(there.view, each)
    sent = [of_here.data_of(there.view, each) for each in later]
    assert sent[0] is not None
    assert sent[0].endswith(NO_MATCH)
    assert msgspec.json.decode(sent[0])["movedFromAnotherJob"] is True
    assert sent[1:] == [None] * (len(later) - 1)
    of_there = Wanted(Query(job_ids=frozenset({"there"})), is_resumed=is_resumed)
    assert all(of_there.data_of(there.view, each) for each in later)


def test_who_may_see_some_jobs_is_asked_with_owner_and_application() -> None:
    cell = running_cell(1)
    cell.run(service(1), "s")
    there, asked = followed(cell), []

    def reach(owner: str, application: str) -> bool:
        asked.append((owner, application))
        return application == "app"

    wanted = Wanted(Query(reach=reach), is_resumed=False)
    assert all(wanted.data_of(there.view, each) for each in there.of("jobs"))
    assert set(asked) == {("owner@example.org", "app")}
    nobody = Wanted(Query(reach=lambda *_: False), is_resumed=False)
    assert not any(nobody.data_of(there.view, each) for each in there.of("jobs"))
