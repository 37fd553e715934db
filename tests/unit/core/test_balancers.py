"""Load balancers of services in the log: added, removed, refused, and gone with their job.

How: requests are copied into the log of a cell in memory; its invariants hold after every record.
"""

import pytest

from scheduler.model.balancers import LoadBalancerAdded, LoadBalancerRemoved
from scheduler.model.changes import JobRejected, LoadBalancersChanged
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_balancers import (
    encode_add_load_balancer,
    encode_remove_load_balancer,
)
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundRejected
from scheduler.model.task import Started
from tests.support.cell import CellInMemory, batch, running_cell, service

JOB = JobId("job")


def add(cell: CellInMemory, name: str, job_id: str = "job", if_version: int | None = None) -> str:
    """The code of the refusal, or empty."""
    body = LoadBalancerAdded(JobId(job_id), name, "ada", if_version=if_version)
    cell.copy("jobs", body)
    return refused(cell)


def refused(cell: CellInMemory) -> str:
    faults = [each.faults[0] for each in cell.said_last() if isinstance(each, JobRejected)]
    return faults[0].code or "content" if faults else ""


def test_a_service_has_load_balancers_and_asking_twice_is_asking_once() -> None:
    cell = running_cell()
    cell.submit(service(1))
    assert [add(cell, each) for each in ("b", "a", "b")] == ["", "", ""]
    assert cell.state.load_balancers == {JOB: ("a", "b")}
    told = [each.load_balancer_ids for each in cell.said(LoadBalancersChanged)]
    assert told == [("b",), ("a", "b")]
    cell.copy("jobs", LoadBalancerRemoved(JOB, "b"))
    cell.copy("jobs", LoadBalancerRemoved(JOB, "b"))
    assert refused(cell) == "unknown"
    assert cell.state.load_balancers == {JOB: ("a",)}
    before = cell.machine.digest.value()
    assert cell.refolded().digest.value() == before
    cell.copy("jobs", LoadBalancerRemoved(JOB, "a"))
    assert not cell.state.load_balancers
    assert cell.machine.digest.value() != before


def test_a_job_has_at_most_thirty_load_balancers() -> None:
    cell = running_cell()
    cell.submit(service(1))
    assert not any(add(cell, f"lb-{number}") for number in range(30))
    assert add(cell, "lb-30") == "limit"
    assert add(cell, "lb-7") == ""
    cell.set_policy(load_balancers_of_job_max=31)
    assert add(cell, "lb-30") == ""


def test_who_cannot_have_one_is_told_why() -> None:
    cell = running_cell()
    cell.submit(batch(1), "batch")
    cell.submit(service(1))
    assert add(cell, "a", "no") == "unknown"
    assert add(cell, "a", "batch") == "content"
    assert add(cell, "a", if_version=7) == "version"
    assert not cell.state.load_balancers


def test_they_are_forgotten_where_their_job_ends() -> None:
    cell = running_cell()
    cell.submit(service(1))
    add(cell, "a")
    cell.kill_job()
    assert add(cell, "b") == "state"
    assert not cell.state.load_balancers
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_task_keeps_the_address_that_mesos_told_until_it_tells_another() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    assert cell.place(task_id).address == ""
    cell.status(task_id, "TASK_RUNNING", container_ip="10.0.0.7")
    assert cell.place(task_id).address == "10.0.0.7"
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_UNREACHABLE")
    assert cell.place(task_id).address == "10.0.0.7"
    cell.status(task_id, "TASK_RUNNING", container_ip="10.0.0.8")
    assert cell.is_in(task_id, Started).place.address == "10.0.0.8"


def test_records_are_read_as_they_are_written() -> None:
    value = encode_add_load_balancer(JOB, "arn:a/b", actor="ada", why="new", if_version=3)
    assert decode_jobs_record(b"job", value) == LoadBalancerAdded(JOB, "arn:a/b", "ada", "new", 3)
    value = encode_remove_load_balancer(JOB, "arn:a/b")
    assert decode_jobs_record(None, value) == LoadBalancerRemoved(JOB, "arn:a/b")


@pytest.mark.parametrize("name", ["", " ", "/etc", "a b", "x" * 257, "ä"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    found = decode_jobs_record(b"job", encode_add_load_balancer(JOB, name))
    assert isinstance(found, InboundRejected)
    assert found.faults[0].field == "loadBalancerId"
