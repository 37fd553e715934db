"""What an ended task leaves behind: a replacement that waits its delay, or a closed index.

The one thing to know: the user's retries are used up by ends that are the task's own fault only;
a service is restarted for ever, after any end but that of a scale-down.
"""

from typing import assert_never

from msgspec.structs import replace

from scheduler.fold.context import Fold, new_task
from scheduler.fold.crash_loops import note_crash, slowed_ms
from scheduler.fold.forgetting import keep_finished
from scheduler.fold.jobs import fill, finish_if_done, stored
from scheduler.fold.update_failures import note_failure
from scheduler.model.ids import task_id_of
from scheduler.model.job import Batch, RetryPolicy
from scheduler.model.policy import Policy
from scheduler.model.task import (
    SYSTEM_ERRORS,
    SYSTEM_REASONS,
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Placed,
    Queued,
    Started,
    StartInitiated,
    Task,
    TaskState,
)
from scheduler.state import Job
from scheduler.versions import spec_of


def task_finished(fold: Fold, before: Task, task: Task) -> None:
    """Replace an ended task, or close its index; then see whether its job is done."""
    state = fold.state
    job = state.jobs[task.job_id]
    assert state.indexes[job.job_id][task.index] == task.task_id, "only current tasks can end"
    assert isinstance(task.state, Finished)
    note_failure(fold, task)
    job = state.jobs[task.job_id]
    ran_ms = state.clock.now_ms - _started_at_ms(before.state, state.clock.now_ms)
    if job.state == "Accepted":
        note_crash(fold, job, task, ran_ms)
    if job.state == "Accepted" and _is_restarted(job, task, task.state):
        keep_finished(fold, task)
        _replace(fold, job, task, task.state, is_steady=ran_ms >= state.policy.retry_reset_ms)
    else:
        stored(fold, replace(job, open_indexes=job.open_indexes - 1))
        if task.state.reason == "scaledDown":
            keep_finished(fold, task)
            del state.indexes[job.job_id][task.index]
            fold.touch("index", (job.job_id, task.index))
            if job.state == "Accepted" and job.update is None and job.spec.index_limit is not None:
                fill(fold, job.job_id)  # Somebody may have waited for the index.
        finish_if_done(fold, job.job_id)


def _is_restarted(job: Job, task: Task, ended: Finished) -> bool:
    kind = job.spec.kind
    if not isinstance(kind, Batch):
        return ended.reason != "scaledDown"
    if ended.reason == "normal":
        return False
    if ended.reason in SYSTEM_REASONS:
        return True
    if ended.reason == "runtimeLimitExceeded" and not kind.is_retried_on_runtime_limit:
        return False
    spared = task.system_resubmit_number + task.eviction_resubmit_number
    return task.resubmit_number - spared < job.spec.retry.retries


def _replace(fold: Fold, job: Job, task: Task, ended: Finished, *, is_steady: bool) -> None:
    now_ms = fold.state.clock.now_ms
    is_system, is_evicted = ended.reason in SYSTEM_ERRORS, ended.reason == "evicted"
    is_updated = bool(task.next_version)
    if is_steady or is_updated:
        user_failures = system_failures = 0
    else:
        user_failures, system_failures = task.user_failures_in_a_row, task.system_failures_in_a_row
    policy = fold.state.policy
    if is_updated:
        delay_ms = 0  # An update ended it: that is no failure, and nothing has to be waited for.
    elif is_evicted:
        delay_ms = policy.retry_delay_ms_min  # No failure of anybody, and no row grows longer.
    else:
        user_failures += not is_system
        system_failures += is_system
        retry = spec_of(job, task).retry
        delay_ms = retry_delay_ms(policy, retry, user_failures + system_failures)
        delay_ms = slowed_ms(fold, job, delay_ms)
    task_id = task_id_of(job.job_id, task.index, job.next_number)
    stored(fold, replace(job, next_number=job.next_number + 1))
    new_task(
        fold,
        Task(
            task_id=task_id,
            job_id=job.job_id,
            index=task.index,
            number=job.next_number,
            original_id=task.original_id,
            state=Queued(since_ms=now_ms, ready_at_ms=now_ms + delay_ms),
            resubmit_of=task.task_id,
            resubmit_number=task.resubmit_number + 1,
            system_resubmit_number=task.system_resubmit_number + is_system,
            eviction_resubmit_number=task.eviction_resubmit_number + is_evicted,
            system_failures_in_a_row=system_failures,
            user_failures_in_a_row=user_failures,
            retry_delay_ms=delay_ms,
            spec_version=task.next_version or task.spec_version,
        ),
    )


def _started_at_ms(state: TaskState, default_ms: int) -> int:
    """When the ended task had started, or ``default_ms`` where it never did."""
    match state:
        case Started():
            return state.since_ms
        case Disconnected() | KillInitiated():
            return default_ms if state.started_at_ms is None else state.started_at_ms
        case Queued() | Placed() | Launched() | StartInitiated() | Finished():
            return default_ms
    assert_never(state)


def retry_delay_ms(policy: Policy, retry: RetryPolicy, failures: int) -> int:
    """How long the replacement after so many failures in a row waits.

    Titus: the longer of what the job's policy and the system's own back-off say. So neither a job
    that retries at once nor a host that fails everything can make a storm.
    """
    doublings = min(max(failures - 1, 0), 20)
    policy_ms = min(retry.delay_ms << doublings, retry.delay_ms_max)
    system_ms = min(policy.retry_delay_ms_min << doublings, policy.system_retry_delay_ms_max)
    return max(policy_ms, system_ms, policy.retry_delay_ms_min)
