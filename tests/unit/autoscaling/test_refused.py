"""Scaling policies that cannot be set, figures that say nothing, and what the cell objects to."""

from scheduler.model.autoscaling import (
    Metric,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    ScalingPolicyRemoved,
    ScalingPolicySet,
)
from scheduler.model.changes import JobRejected
from scheduler.model.ids import JobId
from scheduler.model.resources import Need
from tests.support.cell import batch, running_cell, service
from tests.support.scaling import ScaledCell, step, target


def scaled() -> ScaledCell:
    """A service with a policy."""
    cell = running_cell()
    cell.submit(service(2, 20, 1))
    there = ScaledCell(cell)
    there.put(step())
    return there


def told(there: ScaledCell) -> tuple[str, str, str]:
    """Field, text and code of the last refusal."""
    found = there.cell.said(JobRejected)[-1].faults[0]
    return found.field, found.text, found.code


def test_ids_versions_and_limits_of_policies() -> None:
    there = scaled()
    there.cell.submit(service(1), "other")
    there.cell.copy("jobs", ScalingPolicySet(JobId("other"), PolicyId("p"), step()))
    assert told(there) == ("policyId", "p is the id of a policy of job job", "taken")
    version = there.policy().version
    there.cell.copy(
        "jobs", ScalingPolicySet(there.job_id, PolicyId("p"), step(), if_version=version + 1)
    )
    assert told(there)[2] == "version"
    there.cell.set_policy(scaling_policies_of_job_max=1)
    there.put(step(), "q")
    field, text, _ = told(there)
    assert (field, text) == ("policyId", "job job has 1 policies, which is the most")
    there.cell.set_policy(scaling_policies_of_job_max=9, scaling_policies_max=1)
    there.put(step(), "q")
    assert told(there)[1] == "the cell has 1 policies, which is the most"


def test_jobs_that_have_no_policies() -> None:
    there = scaled()
    there.cell.submit(batch(1), "batch")
    there.cell.copy("jobs", ScalingPolicySet(JobId("batch"), PolicyId("b"), step()))
    assert "has a fixed size" in told(there)[1]
    there.cell.copy("jobs", ScalingPolicySet(JobId("none"), PolicyId("b"), step()))
    assert told(there)[2] == "unknown"


def test_a_policy_is_taken_away_once_by_its_own_job_and_version() -> None:
    there = scaled()
    policy = PolicyId("p")
    there.cell.copy("jobs", ScalingPolicyRemoved(JobId("other"), policy))
    assert told(there) == ("policyId", "no scaling policy p", "unknown")
    there.cell.copy("jobs", ScalingPolicyRemoved(there.job_id, policy, if_version=99))
    assert told(there)[2] == "version"
    refused = len(there.cell.said(JobRejected))
    for _ in range(2):
        there.cell.copy("jobs", ScalingPolicyRemoved(there.job_id, policy, "ada", "done"))
    assert (there.policy().state, len(there.cell.said(JobRejected))) == ("Deleting", refused)
    there.put(step())
    assert told(there) == ("policyId", "p is being deleted", "state")


def test_figures_that_say_nothing_of_a_policy() -> None:
    there = scaled()
    own = Metric("flumina/job", "waitingTasks")
    there.put(target(metric=own), "own")
    now, version = there.cell.now_ms, there.policy().version
    silent = [
        MetricPoint(PolicyId("none"), 1, now, 5),
        MetricPoint(PolicyId("p"), version + 1, now, 5),
        MetricPoint(PolicyId("own"), there.policy("own").version, now, 5),
        MetricPoint(PolicyId("p"), version, now, 2**60),
        MetricPoint(PolicyId("p"), version, now + 86_400_000, 5),
    ]
    before = dict(there.cell.state.scaling_policies)
    failures = (MetricFailure(PolicyId("none"), 1, "no"), MetricFailure(PolicyId("p"), 99, "no"))
    there.cell.copy("jobs", MetricObserved(tuple(silent), failures, "autoscale"))
    assert there.cell.state.scaling_policies == before
    failure = MetricFailure(PolicyId("p"), version, "it did not answer")
    there.cell.copy("jobs", MetricObserved((), (failure,), "autoscale"))
    assert (there.policy().state, there.policy().reason) == ("Error", "it did not answer")
    there.cell.copy("jobs", ScalingPolicyRemoved(there.job_id, PolicyId("p")))
    gone = there.policy()
    there.cell.copy(
        "jobs", MetricObserved((MetricPoint(PolicyId("p"), version, now, 5),), (failure,), "a")
    )
    assert there.policy() == gone


def test_a_cell_whose_queue_is_full_lets_no_policy_grow_a_job() -> None:
    there = scaled()
    there.cell.submit(batch(9, need=Need(cpu_milli=64_000, memory_mib=1)), "waits")
    there.cell.set_policy(queued_tasks_max=9)
    assert there.pass_periods(4, p=120)[-1] == 2
    held = there.cell.state.job_scalings[there.job_id].held
    assert held == "the cell's limit of 9 waiting tasks is reached"


def test_what_was_remembered_of_a_job_goes_with_its_last_policy() -> None:
    there = scaled()
    there.put(step(), "q")
    for name, left in (("p", ("q",)), ("q", None)):
        there.cell.copy("jobs", ScalingPolicyRemoved(there.job_id, PolicyId(name), actor="ada"))
        there.put(step(), name)
        assert told(there) == ("policyId", f"{name} is being deleted", "state")
        assert there.cell.said(JobRejected)[-1].faults[0].hint == "wait"
        there.cell.pass_ms(there.cell.state.policy.scaling_deleted_ms + 60_000)
        of_job = there.cell.state.job_scalings.get(there.job_id)
        assert (of_job.policy_ids if of_job else None) == left
    assert there.cell.state.scaling_policies == {}
