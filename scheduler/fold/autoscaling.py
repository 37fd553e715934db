"""Scaling policies in the log: set, told of metrics, looked at when their periods end, obeyed.

The one thing to know: points of metrics change no size. A policy is looked at by a tick, once a
period, and what the job's policies then ask for together is done at that tick, at its place in the
log. What is silent, absurd or in error asks for nothing, and says so.
"""

from collections.abc import Iterable
from heapq import heappush
from typing import Final

from msgspec.structs import replace

from scheduler.autoscaling.alarm import lateness_ms, looked_at, with_point
from scheduler.autoscaling.forecast import advanced
from scheduler.autoscaling.own import own_value_milli
from scheduler.autoscaling.sizes import Vote, chosen, vote_of
from scheduler.autoscaling.standing import (
    ACTIVITIES_MAX,
    Activity,
    JobScaling,
    ScalingPolicy,
)
from scheduler.autoscaling.words import metric_words, reason_of
from scheduler.fold.context import Fold
from scheduler.fold.jobs import changeable, no_service, refuse, version_fault
from scheduler.fold.safe import page_once
from scheduler.fold.scaling import rescale
from scheduler.model.address import Source
from scheduler.model.autoscaling import (
    OWN_NAMESPACE,
    VALUE_MILLI_MAX,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    ScalingPolicyRemoved,
    ScalingPolicySet,
    ScalingState,
    StepScaling,
)
from scheduler.model.changes import JobScaled, RequestAccepted, ScalingPolicyChanged
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import Service
from scheduler.state import State

DEADLINE: Final = "scaling"
"""The kind of a policy's entries among the fold's deadlines."""
AHEAD_MS_MAX: Final = 60_000
"""A point that claims to be further in the future is absurd: clocks differ by less."""
REASON_CHARACTERS_MAX: Final = 500


def scaling_policy_set(fold: Fold, source: Source, body: ScalingPolicySet) -> None:
    """Take a new policy, or another version of one; it is pending until its metric is heard."""
    state = fold.state
    fault = _set_fault(state, body)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    known = state.scaling_policies.get(body.policy_id)
    fold.report(RequestAccepted(source=source, what="scaling policy", job_id=body.job_id))
    if known is not None and known.state != "Deleted" and known.spec == body.spec:
        return  # The same again.
    now_ms = state.clock.now_ms
    policy = ScalingPolicy(
        policy_id=body.policy_id,
        job_id=body.job_id,
        spec=body.spec,
        version=known.version + 1 if known is not None else 1,
        state="Pending",
        since_ms=now_ms,
        reason="its metric has not been heard yet",
        heard_at_ms=now_ms,
        out_at_ms=known.out_at_ms if known is not None else 0,
        in_at_ms=known.in_at_ms if known is not None else 0,
    )
    late_ms = lateness_ms(body.spec, state.policy)
    first_ms = now_ms // body.spec.period_ms * body.spec.period_ms + body.spec.period_ms + late_ms
    policy = _due(fold, policy, first_ms)
    _keep(fold, policy)
    of_job = state.job_scalings.get(body.job_id) or JobScaling(job_id=body.job_id)
    if body.policy_id not in of_job.policy_ids:
        ids = tuple(sorted((*of_job.policy_ids, body.policy_id)))
        _keep_job(fold, replace(of_job, policy_ids=ids))
    _report(fold, policy)


def _set_fault(state: State, body: ScalingPolicySet) -> Fault | None:
    job = changeable(state, body.job_id, None)
    if isinstance(job, Fault):
        return job
    if not isinstance(job.spec.kind, Service):
        return no_service(job, "has a fixed size")
    known = state.scaling_policies.get(body.policy_id)
    if known is not None and known.job_id != body.job_id:
        text = f"{body.policy_id} is the id of a policy of job {known.job_id}"
        return Fault("policyId", text, "choose another id", code="taken")
    if known is not None and known.state == "Deleting":
        return Fault("policyId", f"{body.policy_id} is being deleted", "wait", code="state")
    version = 0 if known is None or known.state == "Deleted" else known.version
    late = version_fault(f"policy {body.policy_id}", version, body.if_version)
    if late is not None or version:
        return late
    limits, of_job = state.policy, state.job_scalings.get(body.job_id)
    if of_job is not None and len(of_job.policy_ids) >= limits.scaling_policies_of_job_max:
        text = f"job {body.job_id} has {len(of_job.policy_ids)} policies, which is the most"
        return Fault("policyId", text, "delete one, or raise scaling_policies_of_job_max", "limit")
    if len(state.scaling_policies) >= limits.scaling_policies_max:
        text = f"the cell has {len(state.scaling_policies)} policies, which is the most"
        return Fault("policyId", text, "raise scaling_policies_max", "limit")
    return None


def scaling_policy_removed(fold: Fold, source: Source, body: ScalingPolicyRemoved) -> None:
    """Take a policy away: it asks for nothing from now on, and is gone with the next tick."""
    policy = fold.state.scaling_policies.get(body.policy_id)
    if policy is None or (body.job_id and policy.job_id != body.job_id):
        fault = Fault("policyId", f"no scaling policy {body.policy_id}", "", code="unknown")
        refuse(fold, source, body.job_id or None, fault)
        return
    late = version_fault(f"policy {body.policy_id}", policy.version, body.if_version)
    if late is not None:
        refuse(fold, source, policy.job_id, late)
        return
    fold.report(RequestAccepted(source=source, what="delete policy", job_id=policy.job_id))
    if policy.state in {"Deleting", "Deleted"}:
        return
    why = ": ".join(each for each in (body.actor, body.why) if each)
    _entered(fold, _due(fold, policy, fold.state.clock.now_ms), "Deleting", why)


def metric_observed(fold: Fold, _source: Source, body: MetricObserved) -> None:
    """Take in what sources of metrics said; nothing is decided by it here.

    It is not answered: nobody waits, and each answer would be a record of topic ``job-events``.
    """
    for point in body.points:
        _take_point(fold, point)
    for failure in body.failures:
        _take_failure(fold, failure)


def _take_point(fold: Fold, point: MetricPoint) -> None:
    state = fold.state
    policy = state.scaling_policies.get(point.policy_id)
    if policy is None or policy.version != point.version:
        return
    if policy.spec.metric.namespace == OWN_NAMESPACE:
        return  # Nobody tells the cell what it knows itself.
    if policy.state in {"Deleting", "Deleted"}:
        return
    is_absurd = abs(point.value_milli) > VALUE_MILLI_MAX
    if is_absurd or not 0 < point.at_ms <= state.clock.now_ms + AHEAD_MS_MAX:
        return  # The source's process reports it; here it is only kept from doing harm.
    after = with_point(policy, point, state.policy)
    if after is not policy:
        _keep(fold, replace(after, heard_at_ms=state.clock.now_ms))


def _take_failure(fold: Fold, failure: MetricFailure) -> None:
    policy = fold.state.scaling_policies.get(failure.policy_id)
    if policy is None or policy.version != failure.version:
        return
    if policy.state in {"Pending", "Applied"}:
        _in_error(fold, policy, failure.why[:REASON_CHARACTERS_MAX])


def _in_error(fold: Fold, policy: ScalingPolicy, why: str) -> None:
    if policy.state == "Applied":
        # Titus' table has no way from Applied to Error but through Pending.
        policy = _entered(fold, policy, "Pending", why)
    # What was measured before says nothing of now: nothing is decided by it any more.
    policy = replace(policy, periods=(), alarm="insufficient", value_milli=None, load_milli=None)
    policy = replace(policy, forecast_milli=None)
    _entered(fold, policy, "Error", why)
    page_once(
        fold,
        "metric",
        policy.spec.metric.namespace,
        what=f"scaling policy {policy.policy_id} of job {policy.job_id} cannot be followed",
        why=f"{metric_words(policy.spec.metric)}: {why}. The job keeps its size until the metric "
        "is back; see `flumina autoscale policies`",
    )


def look(fold: Fold, policy_id: PolicyId, noted_ms: int, asking: dict[JobId, None]) -> None:
    """Look at a policy whose deadline is due; its job is noted where it may ask for something."""
    state = fold.state
    policy = state.scaling_policies.get(policy_id)
    if policy is None or policy.next_ms != noted_ms:
        return  # An earlier entry, or one of a policy that is gone.
    if policy.state == "Deleted":
        _drop(fold, policy)
        return
    if policy.state == "Deleting":
        kept_ms = state.clock.now_ms + state.policy.scaling_deleted_ms
        _entered(fold, _due(fold, policy, kept_ms), "Deleted", policy.reason)
        return
    job = state.jobs.get(policy.job_id)
    if job is None or job.state != "Accepted" or not isinstance(job.spec.kind, Service):
        policy = _due(fold, policy, state.clock.now_ms)
        _entered(fold, policy, "Deleting", "its job has ended")
        return
    policy = _looked(fold, policy, job.spec.kind.desired)
    silent_ms = state.clock.now_ms - max(policy.heard_at_ms, state.clock.judging_since_ms)
    if policy.state in {"Pending", "Applied"} and silent_ms > _silence_ms(fold, policy):
        _in_error(fold, policy, f"it has been silent for {silent_ms} ms")
        return
    if policy.value_milli is not None and policy.state != "Applied":
        if policy.state == "Error":
            policy = _entered(fold, policy, "Pending", "its metric is back")
        policy = _entered(fold, policy, "Applied", "")
    asking[policy.job_id] = None


def _looked(fold: Fold, policy: ScalingPolicy, desired: int) -> ScalingPolicy:
    state = fold.state
    limits, now_ms = state.policy, state.clock.now_ms
    spec = policy.spec
    if spec.metric.namespace == OWN_NAMESPACE:
        late_ms = lateness_ms(spec, limits)
        at_ms = ((now_ms - late_ms) // spec.period_ms - 1) * spec.period_ms
        value = own_value_milli(state, policy.job_id, spec.metric.name)
        point = MetricPoint(policy.policy_id, policy.version, at_ms, value, is_whole=True)
        policy = replace(with_point(policy, point, limits), heard_at_ms=now_ms)
    policy = advanced(looked_at(policy, desired, now_ms, limits), now_ms, limits)
    return _keep(fold, _due(fold, policy, policy.next_ms))


def _silence_ms(fold: Fold, policy: ScalingPolicy) -> int:
    """How long a metric may be silent: sources of long periods speak that seldom."""
    limits, spec = fold.state.policy, policy.spec
    return max(limits.metric_silence_ms, 3 * spec.period_ms) + lateness_ms(spec, limits)


def scale_jobs(fold: Fold, asking: Iterable[JobId]) -> None:
    """Give each of these jobs the size that its policies ask for together, if they do."""
    for job_id in asking:
        of_job = fold.state.job_scalings.get(job_id)
        if of_job is not None:
            _scale_job(fold, of_job)


def _scale_job(fold: Fold, of_job: JobScaling) -> None:
    state = fold.state
    job = state.jobs.get(of_job.job_id)
    if job is None or job.state != "Accepted" or not isinstance(job.spec.kind, Service):
        return
    kind, now_ms = job.spec.kind, state.clock.now_ms
    votes = [
        vote_of(policy, kind, now_ms, of_job.scaled_at_ms)
        for policy_id in of_job.policy_ids
        if (policy := state.scaling_policies[policy_id]).state in {"Pending", "Applied", "Error"}
    ]
    choice = chosen(
        votes,
        kind.desired,
        is_increase_off=job.spec.is_increase_disabled,
        is_decrease_off=job.spec.is_decrease_disabled,
    )
    vote, held = choice.vote, choice.held
    if vote is not None:
        held = _cell_objection(state, vote.size - kind.desired, is_enabled=job.spec.is_enabled)
    if vote is None or held:
        if of_job.held != held:
            _keep_job(fold, replace(of_job, held=held))
        return
    _scale(fold, of_job, kind, vote)


def _cell_objection(state: State, more: int, *, is_enabled: bool) -> str:
    """Why the cell does not let a policy have its way now, or empty."""
    if not is_enabled:
        return "the job is disabled"
    if state.safe is not None:
        return "the cell is safe: nothing is done that no user asked for"
    if more > 0 and state.queued_tasks + more > state.policy.queued_tasks_max:
        return f"the cell's limit of {state.policy.queued_tasks_max} waiting tasks is reached"
    return ""


def _scale(fold: Fold, of_job: JobScaling, kind: Service, vote: Vote) -> None:
    """Change the job's size, and write down by which policy, metric and threshold."""
    state = fold.state
    now_ms, policy = state.clock.now_ms, state.scaling_policies[vote.policy_id]
    is_out = vote.size > kind.desired
    spec = policy.spec
    threshold = spec.threshold_milli if isinstance(spec, StepScaling) else spec.target_milli
    value = policy.forecast_milli if vote.is_forecast else policy.value_milli
    why = reason_of(policy, state.policy, is_forecast=vote.is_forecast)
    activity = Activity(
        policy_id=policy.policy_id,
        at_ms=now_ms,
        offset=fold.offset,
        index=fold.index,
        before=kind.desired,
        after=vote.size,
        metric=metric_words(spec.metric),
        value_milli=value,
        threshold_milli=threshold,
        why=why,
        is_forecast=vote.is_forecast,
    )
    scaled = replace(policy, out_at_ms=now_ms) if is_out else replace(policy, in_at_ms=now_ms)
    _keep(fold, scaled)
    kept = (*of_job.activities, activity)[-ACTIVITIES_MAX:]
    _keep_job(fold, replace(of_job, scaled_at_ms=now_ms, activities=kept, held=""))
    job = state.jobs[of_job.job_id]
    said = f"scaling policy {policy.policy_id}: {why}"
    rescale(fold, job, replace(kind, desired=vote.size), said)
    fold.report(
        JobScaled(
            job_id=of_job.job_id,
            policy_id=policy.policy_id,
            before=kind.desired,
            after=vote.size,
            metric=activity.metric,
            value_milli=value,
            threshold_milli=threshold,
            why=why,
            is_forecast=vote.is_forecast,
        )
    )


def _entered(fold: Fold, policy: ScalingPolicy, name: ScalingState, why: str) -> ScalingPolicy:
    assert name in _NEXT[policy.state], f"{policy.policy_id}: {policy.state} to {name}"
    policy = replace(policy, state=name, reason=why, since_ms=fold.state.clock.now_ms)
    _report(fold, policy)
    return _keep(fold, policy)


_NEXT: Final[dict[ScalingState, frozenset[ScalingState]]] = {
    "Pending": frozenset(("Pending", "Applied", "Error", "Deleting")),
    "Applied": frozenset(("Pending", "Deleting")),
    "Error": frozenset(("Pending", "Deleting")),
    "Deleting": frozenset(("Deleted",)),
    "Deleted": frozenset(),
}
"""Titus' table, and that a policy can be deleted which was never heard of."""


def _report(fold: Fold, policy: ScalingPolicy) -> None:
    fold.report(
        ScalingPolicyChanged(
            job_id=policy.job_id,
            policy_id=policy.policy_id,
            state=policy.state,
            reason=policy.reason,
            version=policy.version,
        )
    )


def _due(fold: Fold, policy: ScalingPolicy, at_ms: int) -> ScalingPolicy:
    heappush(fold.deadlines, (at_ms, DEADLINE, policy.policy_id))
    return replace(policy, next_ms=at_ms)


def _keep(fold: Fold, policy: ScalingPolicy) -> ScalingPolicy:
    fold.state.scaling_policies[policy.policy_id] = policy
    fold.touch("scaling policy", policy.policy_id)
    return policy


def _keep_job(fold: Fold, of_job: JobScaling) -> None:
    fold.state.job_scalings[of_job.job_id] = of_job
    fold.touch("job scaling", of_job.job_id)


def _drop(fold: Fold, policy: ScalingPolicy) -> None:
    """Forget a deleted policy, and with a job's last one what was remembered of its scaling."""
    state = fold.state
    del state.scaling_policies[policy.policy_id]
    fold.touch("scaling policy", policy.policy_id)
    of_job = state.job_scalings[policy.job_id]
    left = tuple(each for each in of_job.policy_ids if each != policy.policy_id)
    if left:
        _keep_job(fold, replace(of_job, policy_ids=left))
        return
    del state.job_scalings[policy.job_id]
    fold.touch("job scaling", policy.job_id)
