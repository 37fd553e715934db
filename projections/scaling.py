"""Scaling policies and activities as the API shows them: in Titus' shape, and what it lacks.

The one thing to know: an activity has the address of the tick that decided it, so whoever doubts a
scaling reads the event, and its replay comes to the same.
"""

from collections.abc import Iterator
from typing import Any

from projections.cell_view import CellView
from scheduler.autoscaling.standing import Activity, JobScaling, ScalingPolicy
from scheduler.model.autoscaling import PolicyId
from scheduler.model.ids import JobId
from scheduler.model.v3.scaling import number, scaling_document


def policies(view: CellView, job_id: JobId | None = None) -> list[dict[str, Any]]:
    """All policies of the cell or of one job, by job and id."""
    found = [
        each
        for each in view.state.scaling_policies.values()
        if job_id is None or each.job_id == job_id
    ]
    return [shown(view, each) for each in sorted(found, key=lambda p: (p.job_id, p.policy_id))]


def policy(view: CellView, policy_id: PolicyId) -> dict[str, Any] | None:
    """One policy; None where there is none of this id."""
    found = view.state.scaling_policies.get(policy_id)
    return None if found is None else shown(view, found)


def shown(view: CellView, found: ScalingPolicy) -> dict[str, Any]:
    """The policy in Titus' shape, with how it stands."""
    of_job = view.state.job_scalings.get(found.job_id)
    return {
        "id": {"id": found.policy_id},
        "jobId": found.job_id,
        "scalingPolicy": scaling_document(found.spec),
        "policyState": {"state": found.state, "pendingReason": found.reason},
        "flumina.version": found.version,
        "flumina.sinceMs": found.since_ms,
        "flumina.alarm": found.alarm,
        "flumina.value": number(found.value_milli),
        "flumina.load": number(found.load_milli),
        "flumina.forecast": number(found.forecast_milli),
        "flumina.pointAtMs": found.point_at_ms,
        "flumina.lookedAtMs": found.looked_at_ms,
        "flumina.lastScaleOutAtMs": found.out_at_ms,
        "flumina.lastScaleInAtMs": found.in_at_ms,
        "flumina.held": of_job.held if of_job is not None else "",
    }


def activities(view: CellView, job_id: JobId) -> list[dict[str, Any]]:
    """What scaling policies did to the job, the newest first; all the rest is in the log."""
    of_job = view.state.job_scalings.get(job_id) or JobScaling(job_id=job_id)
    return [_activity(view, job_id, each) for each in reversed(of_job.activities)]


def _activity(view: CellView, job_id: JobId, each: Activity) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "policyId": each.policy_id,
        "atMs": each.at_ms,
        "address": view.address((each.offset, each.index)),
        "before": each.before,
        "after": each.after,
        "metric": each.metric,
        "value": number(each.value_milli),
        "threshold": number(each.threshold_milli),
        "forecast": each.is_forecast,
        "description": f"desired from {each.before} to {each.after}",
        "cause": each.why,
    }


def scaling_sentences(view: CellView, job_id: JobId) -> Iterator[str]:
    """What `why` says of a job's scaling: the last time, and what holds it back now."""
    of_job = view.state.job_scalings.get(job_id)
    if of_job is None:
        return
    if of_job.activities:
        last = of_job.activities[-1]
        yield (
            f"Scaling policy {last.policy_id} changed its size from {last.before} to {last.after} "
            f"at {view.address((last.offset, last.index))}, because {last.why}."
        )
    if of_job.held:
        yield f"Its scaling policies ask for another size, which is not done: {of_job.held}."
    for policy_id in of_job.policy_ids:
        found = view.state.scaling_policies[policy_id]
        if found.state == "Error":
            yield f"Scaling policy {policy_id} is in error: {found.reason}."
