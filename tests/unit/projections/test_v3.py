"""Jobs and tasks in the shapes of Titus' API v3."""

from typing import Any

import orjson
import pytest

from projections.v3 import job_json, task_json
from scheduler.model.descriptor import descriptor_of
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.inbound import JobKillAsked
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.resources import Need, PortRange, Resources
from tests.support.cell import BEGAN_AT_MS, batch, service
from tests.unit.projections.watched import WatchedCell, watched_cell


def task_of(cell: WatchedCell, task_id: TaskId, log_url: str = "") -> dict:  # type: ignore[type-arg]
    """The task's JSON, as it comes out at the other end."""
    found = task_json(cell.view, task_id, log_url)
    assert found is not None
    return orjson.loads(orjson.dumps(found))  # type: ignore[no-any-return]


def job_of(cell: WatchedCell, job_id: str = "job") -> dict:  # type: ignore[type-arg]
    """The job's JSON, as it comes out at the other end."""
    found = job_json(cell.view, JobId(job_id))
    assert found is not None
    return orjson.loads(orjson.dumps(found))  # type: ignore[no-any-return]


def test_a_job_has_its_descriptor_and_the_times_of_its_states() -> None:
    cell = watched_cell()
    cell.run(service(2))
    cell.tick(5_000)
    cell.kill_job()
    job = job_of(cell)
    assert job.keys() == {"id", "jobDescriptor", "status", "statusHistory", "version"}
    submitted = descriptor_of(cell.state.jobs[JobId("job")].spec)
    assert job["jobDescriptor"] == {**submitted, "attributes": {"titus.cell": "test"}}
    assert job["status"] == {
        "state": "KillInitiated",
        "reasonCode": "killed",
        "reasonMessage": "enough",
        "timestamp": BEGAN_AT_MS + 5_000,
    }
    (accepted,) = job["statusHistory"]
    assert (accepted["state"], accepted["timestamp"]) == ("Accepted", BEGAN_AT_MS)
    assert job["version"] == {"timestamp": BEGAN_AT_MS + 5_000, "version": 2}


def test_a_task_with_an_address_says_on_which_interface() -> None:
    cell = watched_cell(hosts=0)
    facts = HostFacts(hostname="h1", attributes=(("res", "ResourceSet-ENIs-2-4"),))
    cell.offers(Offer(OfferId("o"), HostId("S1"), Resources(4_000, 8_192, 10_000), facts))
    (task_id,) = cell.run(batch(need=Need(500, 256, addresses=1), security_groups=("sg-a",)))
    context = task_of(cell, task_id)["taskContext"]
    assert context["task.networkInterfaceIndex"] == "0"
    assert context["agent.res"] == "ResourceSet-ENIs-2-4"


def test_a_task_has_a_context_with_titus_keys_and_ours() -> None:
    cell = watched_cell(hosts=0)
    facts = HostFacts(
        hostname="h1.example",
        url="http://10.0.0.7:5051",
        attributes=(("rack", "r1"), ("zone", "z2")),
    )
    resources = Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_009),))
    cell.offers(Offer(OfferId("o"), HostId("S1"), resources, facts))
    cell.submit(batch(need=Need(500, 256, ports=2), retries=1))
    (first,) = cell.launched()
    cell.status(first, "TASK_FAILED")
    cell.offers(Offer(OfferId("p"), HostId("S1"), resources))
    cell.tick(1_000, times=2)
    (second,) = cell.launched()
    cell.status(second, "TASK_RUNNING", container_ip="172.17.0.2")
    context = task_of(cell, second)["taskContext"]
    address = context.pop("flumina.address")
    assert address == cell.history(second)[-1].address
    assert cell.has_event(context.pop("flumina.proposal"))
    assert context == {
        "agent.host": "h1.example",
        "agent.hostIp": "10.0.0.7",
        "agent.instanceId": "S1",
        "agent.zone": "z2",
        "flumina.ports": "31000,31001",
        "flumina.startNumber": "2",
        "flumina.state": "Started",
        "flumina.specVersion": "1",
        "task.containerIp": "172.17.0.2",
        "task.evictionResubmitNumber": "0",
        "task.index": "0",
        "task.originalId": first,
        "task.resubmitNumber": "1",
        "task.resubmitOf": first,
        "task.retryDelay": "1000",
        "task.systemResubmitNumber": "0",
        "task.tier": "Flex",
        "titus.cell": "test",
    }
    assert task_of(cell, first)["taskContext"]["flumina.replacedBy"] == second


def test_states_that_mesos_went_past_are_filled_in() -> None:
    cell = watched_cell()
    cell.submit(batch(2))
    quick, failing = cell.launched()
    cell.tick(2_000)
    cell.status(quick, "TASK_FINISHED")
    cell.status(failing, "TASK_FAILED")
    task = task_of(cell, quick)
    assert task["status"]["state"] == "Finished"
    assert [(each["state"], each["reasonCode"]) for each in task["statusHistory"]] == [
        ("Accepted", "normal"),
        ("Launched", "normal"),
        ("StartInitiated", "filledIn"),
        ("Started", "filledIn"),
    ]
    assert task["statusHistory"][3]["timestamp"] == task["status"]["timestamp"]
    states = [each["state"] for each in task_of(cell, failing)["statusHistory"]]
    assert states == ["Accepted", "Launched"], "a failure does not prove that it ever started"


def test_a_disconnected_task_has_started_twice_in_its_history() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_UNREACHABLE", uuid="")
    cell.status(task_id, "TASK_RUNNING")
    task = task_of(cell, task_id)
    assert [each["state"] for each in task["statusHistory"]][-2:] == ["Started", "Disconnected"]
    assert task["status"]["state"] == "Started"


def test_a_kill_that_becomes_a_scale_down_changes_the_reason_and_no_state() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    cell.kill_task(task_id, is_shrink=True)
    task = task_of(cell, task_id)
    assert (task["status"]["state"], task["status"]["reasonCode"]) == (
        "KillInitiated",
        "scaledDown",
    )
    assert [each["state"] for each in task["statusHistory"]].count("KillInitiated") == 0


def test_a_log_location_is_given_where_there_is_one() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    assert "logLocation" not in task_of(cell, task_id)
    task = task_of(cell, task_id, "http://127.0.0.1:7101/logs/")
    assert task["logLocation"]["liveStream"]["url"] == f"http://127.0.0.1:7101/logs/{task_id}"


@pytest.mark.parametrize("limit", [{"finished_jobs_max": 1}, {"finished_tasks_max": 1}])
def test_what_the_fold_forgot_is_shown_as_it_ended(limit: dict[str, Any]) -> None:
    cell = watched_cell(policy=Policy(**limit))
    for job_id in ("first", "second"):
        (task_id,) = cell.run(batch(), job_id)
        cell.status(task_id, "TASK_FINISHED", message="done")
        cell.offer("host1")
    assert JobId("first") not in cell.state.jobs
    assert job_of(cell, "first")["status"]["state"] == "Finished"
    task = task_of(cell, TaskId("first-worker-0-1"))
    assert (task["status"]["state"], task["status"]["reasonMessage"]) == ("Finished", "done")


def test_what_ended_and_was_forgotten_in_one_record_is_shown_as_ended() -> None:
    cell = watched_cell(policy=Policy(finished_jobs_max=1))
    for job_id in ("first", "second"):
        cell.submit(batch(), job_id)
    kills = [JobKillAsked(JobId(job_id), "ada", "enough") for job_id in ("first", "second")]
    cell.write(*cell.copies("jobs", *kills))
    assert JobId("first") not in cell.state.jobs
    job, task = job_of(cell, "first"), task_of(cell, TaskId("first-worker-0-1"))
    for shown in (job, task):
        assert (shown["status"]["state"], shown["status"]["reasonCode"]) == ("Finished", "killed")
    assert task["taskContext"]["flumina.state"] == "Finished"
    assert "first-worker-0-1 ended at" in cell.says("first-worker-0-1")
    assert "asked for by ada with record jobs/0a0b0c0d:0:3" in cell.says("first")


def test_unknown_ids_have_no_json() -> None:
    cell = watched_cell()
    assert job_json(cell.view, JobId("none")) is None
    assert task_json(cell.view, TaskId("none")) is None
