"""What views show seldom: few hosts' facts, queues cut off, odd fields, leaders of a late view."""

from typing import Any

import pytest
from msgspec.structs import replace

from projections.cell_view import HOST_CONTEXTS_SPARE, CellView
from projections.cost.ledger import Ledger
from projections.endpoints import endpoints
from projections.health_text import health_text
from projections.history import Refused
from projections.host_health import host_json
from projections.members import known_leaders, master_json, member_json
from projections.obeyed import Obedience
from projections.scaling import scaling_sentences
from projections.snapshot.format import Expected, capture, decode, encode
from projections.stamps import stamps_of
from projections.storage_text import storage_text
from projections.v2 import queue_json, summary_json
from projections.v3 import task_json
from projections.v3_query import Query, projected, tasks_page
from projections.volumes import storage_context, volumes_on_the_way
from projections.words import refusals_text
from scheduler.autoscaling.standing import Activity, JobScaling
from scheduler.model.changes import JobCrashLooping, JobSlaChanged, OwnerAlerted, TaskChanged
from scheduler.model.events import CellCreated, CellRecord, Tick
from scheduler.model.host_health import HeardVerdict, HostHealth
from scheduler.model.ids import CellName, CellUuid, Generation, HostId, JobId, TaskId
from scheduler.model.mesos import HostFacts
from scheduler.model.proposals import KillTask, ReconcileTasks
from scheduler.model.resources import Need
from scheduler.model.task import Started
from scheduler.model.volumes import (
    AddressAllocation,
    AddressChanged,
    VolumeChanged,
    VolumeClaim,
    VolumeId,
)
from scheduler.state import State
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.scaling import ScaledCell, step
from tests.unit.core.test_volumes import do_works
from tests.unit.projections.watched import watched_cell

JOB = JobId("job")


# Words.


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (
            Refused("cpu", 0, missing="no host has offered resources"),
            "no host has offered resources",
        ),
        (Refused("cpu", 0), "rule cpu"),
        (Refused("cpu", 2, missing="1 cpu"), "rule cpu refused 2 hosts (1 cpu)"),
        (Refused("cpu", 1), "rule cpu refused 1 host"),
        (
            Refused("cpu", 3, nearest_host_id="h", nearest_hostname="name", missing="1 cpu"),
            "rule cpu refused 3 hosts, of which name came nearest (1 cpu)",
        ),
        (
            Refused("cpu", 3, nearest_host_id="h", missing="1 cpu"),
            "rule cpu refused 3 hosts, of which h came nearest (1 cpu)",
        ),
    ],
)
def test_what_a_rule_refused_is_said_as_far_as_it_is_known(refused: Refused, said: str) -> None:
    assert refusals_text((refused,)) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            JobCrashLooping(JOB, True, 5, 60_000, 30_000, "failed"),
            (
                "crash loop: 5 tasks ended by themselves within 60 s, the last failed; "
                "restarts wait 30 s and longer"
            ),
        ),
        (
            JobCrashLooping(JOB, False, 0, 60_000, 0),
            "no crash loop any more: no failure for 60 s",
        ),
        (OwnerAlerted(JOB, None, "crashLoop", "team", "it loops"), "its owner is told: it loops"),
        (
            JobSlaChanged(JOB, "completion", "atRisk", "12 tasks are left"),
            "time of completion at risk: 12 tasks are left",
        ),
        (JobSlaChanged(JOB, "start", "met", "all run"), "time to start well again: all run"),
    ],
)
def test_how_a_job_fares_is_a_message_of_its_history(
    change: JobCrashLooping | JobSlaChanged | OwnerAlerted, said: str
) -> None:
    assert health_text(change) == said


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        (
            VolumeChanged(VolumeId("v"), JOB, "attached", host="h1", zone="z", task_id=TaskId("t")),
            "volume",
            "v is attached on h1, task t",
        ),
        (VolumeChanged(VolumeId("v"), JOB, "ready", zone="z"), "volume", "v is ready in z"),
        (
            VolumeChanged(VolumeId("v"), JOB, "failed", "no room"),
            "volume",
            "v is failed: no room",
        ),
        (
            AddressChanged("10.0.0.1", JOB, TaskId("t"), "is given"),
            "address",
            "10.0.0.1 is given, task t",
        ),
    ],
)
def test_what_became_of_a_volume_or_an_address_is_a_line(
    change: VolumeChanged | AddressChanged, what: str, said: str
) -> None:
    assert storage_text(change) == (what, said)


# Hosts, leaders, members.


@pytest.mark.parametrize(
    ("health", "standing"),
    [
        (HostHealth(), "well"),
        (HostHealth(away_since_ms=5, is_spared=True), "away"),
        (HostHealth(is_spared=True, back_ms=5), "spared"),
        (HostHealth(back_ms=5), "trial"),
        (HostHealth(verdicts=(HeardVerdict("lines", "sick", 900, (), 1, 1, 9),)), "suspect"),
    ],
)
def test_a_host_stands_by_the_worst_that_is_known_of_it(health: HostHealth, standing: str) -> None:
    state = State()
    state.health[HostId("h")] = health
    assert host_json(state, HostId("h"))["standing"] == standing


def late(cell: CellInMemory) -> CellView:
    """A view that begins with a snapshot of the cell."""
    return CellView.restored(decode(encode(capture(cell.machine)).data, Expected()).machine)


def test_a_late_view_knows_who_leads_and_not_since_when() -> None:
    cell = running_cell()
    view = late(cell)
    (found,) = known_leaders(view)
    assert (found.candidate, found.epoch, found.elections) == ("cell-0", cell.epoch, 1)
    assert (found.elected_at_ms, found.first_elected_at_ms) == (0, 0)
    assert member_json(view, found, is_heard=True)["leadershipState"] == "Leader"
    assert master_json(view, found, "")["status"]["reasonMessage"] == "leads"
    assert known_leaders(CellView()) == []
    watched = watched_cell()
    watched.elect("cell-1")
    assert [each.candidate for each in known_leaders(watched.view)] == ["cell-0", "cell-1"]


def test_a_record_that_makes_the_cell_anew_is_not_obeyed_behind_the_first() -> None:
    created = CellCreated(CellName("c"), CellUuid("u"), Generation("0a0b0c0d"))
    obedience = Obedience()
    first = CellRecord(1, -1, 0, (created,))
    assert [each.event for each in obedience.events(0, first, 0)] == [created]
    assert list(obedience.events(5, CellRecord(1, -1, 0, (created, Tick())), 0)) == []


# Addresses of records, and contexts of hosts.


def test_a_record_of_mesos_is_named_only_where_one_partition_was_read() -> None:
    assert watched_cell().view.mesos_record(5) == "mesos/0a0b0c0d:0:5"
    assert CellView().mesos_record(5) == ""


def test_contexts_of_hosts_that_have_gone_are_not_kept_for_ever() -> None:
    view = CellView()
    for number in range(HOST_CONTEXTS_SPARE + 1):
        view.note_host_context(HostId(f"h{number}"), HostFacts("x"), {"agent.host": "x"})
    assert len(view.host_contexts) == HOST_CONTEXTS_SPARE + 1
    facts = HostFacts("last")
    view.note_host_context(HostId("last"), facts, {"agent.host": "last"})
    assert view.host_contexts == {HostId("last"): (facts, {"agent.host": "last"})}


def test_the_context_of_a_task_has_its_devices_and_the_id_of_a_host_without_facts() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    shown = task_json(cell.view, task_id)
    assert shown is not None
    assert "flumina.gpus" not in shown["taskContext"]
    state = cell.view.state
    placed(state, task_id, gpus=(0, 2))
    del state.hosts[HostId("host1")]
    shown = task_json(cell.view, task_id)
    assert shown is not None
    context = shown["taskContext"]
    assert context["flumina.gpus"] == "0,2"
    assert (context["agent.host"], context["agent.instanceId"]) == ("host1", "host1")


def placed(state: State, task_id: TaskId, **place: Any) -> None:
    """A task that runs, with something else about its place."""
    task = state.tasks[task_id]
    there = task.state
    assert isinstance(there, Started)
    state.tasks[task_id] = replace(task, state=replace(there, place=replace(there.place, **place)))


# Lists.


def test_the_queue_is_cut_off_where_the_list_is_full() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch(2), "first")
    cell.submit(batch(2, need=Need(1_500, 64)), "second")
    whole = queue_json(cell.view, 9)
    assert [each["jobId"] for each in whole] == ["first", "first", "second", "second"]
    assert [each["cpu"] for each in whole] == [0.5, 0.5, 1.5, 1.5]
    assert queue_json(cell.view, 3) == whole[:3]
    assert summary_json(cell.view)["total"] == 4


def test_few_tasks_of_wanted_jobs_are_found_without_a_look_at_all_others() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch(60), "many")
    for name in ("b", "a"):
        cell.submit(replace(batch(1), owner_email="ada@x"), name)
    page = tasks_page(cell.view, Query(owner="ada@x"))
    assert [each["id"] for each in page["items"]] == ["b-worker-0-1", "a-worker-0-1"]
    assert page["pagination"]["totalItems"] == 2


def test_a_field_of_what_has_no_fields_is_not_shown() -> None:
    item: dict[str, Any] = {"id": "x", "state": "Started", "a.b": 1, "l": [{"k": 1, "m": 2}, 3]}
    assert projected(item, ["state.reason", "none.k"]) == {"id": "x"}
    assert projected(item, ["a.b", "l.k"]) == {"id": "x", "a.b": 1, "l": [{"k": 1}, {}]}


def test_endpoints_are_of_services_that_have_not_ended() -> None:
    cell = watched_cell(hosts=0)
    state = cell.view.state
    for job_id, spec in (("ended", service(1)), ("web", service(1)), ("night", batch(1))):
        cell.offer(f"host-{job_id}")
        (task_id,) = cell.run(spec, job_id)
        placed(state, task_id, address=f"{job_id}.example.org")
    ended = JobId("ended")
    state.jobs[ended] = replace(state.jobs[ended], state="Finished")
    found = endpoints(cell.view, is_discovery=True, is_current=True)
    assert [each["jobId"] for each in found["items"]] == ["web"]
    assert (found["isCurrent"], found["offset"]) == (True, len(cell.log) - 1)
    assert endpoints(cell.view, is_discovery=False, is_current=False)["items"] == []


def test_a_job_of_no_cell_has_no_cells_stamp() -> None:
    cell = watched_cell()
    cell.submit(service(1))
    job = replace(cell.state.jobs[JOB], actor="ada", call_reason="test")
    assert list(stamps_of(State(), job)) == [
        ("titus.createdBy", "ada"),
        ("titus.callReason", "test"),
    ]
    assert list(stamps_of(cell.state, job))[2:] == [("titus.cell", "test")]


# Scaling, volumes, cost, and what was asked.


def test_scaling_says_what_it_did_last_what_holds_it_and_which_policy_is_in_error() -> None:
    cell = watched_cell()
    cell.run(service(1))
    assert list(scaling_sentences(cell.view, JOB)) == []
    scaled = ScaledCell(cell)
    scaled.put(step())
    assert list(scaling_sentences(cell.view, JOB)) == []
    state = cell.view.state
    (policy_id,) = state.scaling_policies
    of_job = state.job_scalings[JOB]
    activity = Activity(policy_id, cell.now_ms, 3, 0, 1, 3, "queue_depth", 0, 0, "it is deep")
    state.job_scalings[JOB] = replace(of_job, activities=(activity,), held="it is killed")
    failing = replace(scaled.policy(), state="Error", reason="no such metric")
    state.scaling_policies[policy_id] = failing
    assert list(scaling_sentences(cell.view, JOB)) == [
        "Scaling policy p changed its size from 1 to 3 at test/0a0b0c0d:3[0], because it is deep.",
        "Its scaling policies ask for another size, which is not done: it is killed.",
        "Scaling policy p is in error: no such metric.",
    ]
    state.job_scalings[JOB] = JobScaling(JOB)
    assert list(scaling_sentences(cell.view, JOB)) == []


def test_a_task_names_its_address_who_has_it_and_its_volumes() -> None:
    spec = replace(service(1), addresses=(AddressAllocation("a-0", "10.0.0.9"),))
    claims = replace(service(1), volumes=(VolumeClaim("data", "/data", size_mib=100),))
    cell = running_cell()
    cell.submit(spec)
    first = cell.task()
    later = replace(first, index=1)
    assert storage_context(cell.state, first, spec) == {"task.ipAllocationId": "a-0"}
    assert storage_context(cell.state, later, spec) == {}
    bare = replace(claims, addresses=())
    assert storage_context(cell.state, first, bare) == {"flumina.volumes": "job-volume-data-0"}
    assert storage_context(cell.state, first, service(1)) == {}


def test_a_task_waits_for_its_volume_until_it_is_attached() -> None:
    cell = watched_cell()
    cell.submit(replace(service(1), volumes=(VolumeClaim("data", "/data", size_mib=100),)))
    cell.decide()
    task_id = cell.task().task_id
    waits = "It waits for volume job-volume-data-0, which is creating."
    assert list(volumes_on_the_way(cell.view, task_id)) == [waits]
    assert waits in cell.says(task_id)
    do_works(cell)
    assert list(volumes_on_the_way(cell.view, task_id)) == []


def test_what_begins_and_ends_within_one_record_costs_nothing() -> None:
    ledger = Ledger(0)
    ledger.take(State(), [(0, TaskChanged(JOB, TaskId("t"), "Launched", "effect started"))])
    assert ledger.until(1_000) == {}


def test_a_question_or_a_kill_that_the_fold_refuses_is_told_of_the_kill_alone() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    cell.stream_ends()
    cell.write(ReconcileTasks((task_id,)), KillTask(task_id, HostId("host1")))
    assert cell.state.decisions == {}
    assert [each.what for each in cell.history(task_id)][-1] == "kill refused"
    assert not any(each.what == "asked of Mesos" for each in cell.history(task_id))
