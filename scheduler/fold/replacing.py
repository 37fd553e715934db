"""What an ended task leaves behind: a replacement that waits its delay, or a closed index.

The one thing to know: the user's retries are used up by ends that are the task's own fault only;
a service is restarted for ever, after any end but that of a scale-down.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold, new_task
from scheduler.fold.jobs import finish_if_done, stored
from scheduler.model.ids import task_id_of
from scheduler.model.job import (
    RETRY_DELAY_MS_MIN,
    RETRY_RESET_MS,
    SYSTEM_RETRY_DELAY_MS_MAX,
    Batch,
    RetryPolicy,
)
from scheduler.model.task import (
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


def task_finished(fold: Fold, before: Task, task: Task) -> None:
    """Replace an ended task, or close its index; then see whether its job is done."""
    state = fold.state
    job = state.jobs[task.job_id]
    assert state.indexes[job.job_id][task.index] == task.task_id, "only current tasks can end"
    assert isinstance(task.state, Finished)
    if job.state == "Accepted" and _is_restarted(job, task, task.state):
        ran_ms = state.clock.now_ms - _started_at_ms(before.state, state.clock.now_ms)
        state.finished_tasks[task.task_id] = None
        _replace(fold, job, task, task.state, is_steady=ran_ms >= RETRY_RESET_MS)
    else:
        stored(fold, replace(job, open_indexes=job.open_indexes - 1))
        if task.state.reason == "scaledDown":
            state.finished_tasks[task.task_id] = None
            del state.indexes[job.job_id][task.index]
            fold.touch("index", (job.job_id, task.index))
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
    return task.resubmit_number - task.system_resubmit_number < job.spec.retry.retries


def _replace(fold: Fold, job: Job, task: Task, ended: Finished, *, is_steady: bool) -> None:
    now_ms = fold.state.clock.now_ms
    is_system = ended.reason in SYSTEM_REASONS
    is_updated = bool(task.next_version)
    is_steady = is_steady or is_updated
    user_failures = 0 if is_steady else task.user_failures_in_a_row
    system_failures = 0 if is_steady else task.system_failures_in_a_row
    if is_system:
        system_failures += 1
    elif not is_updated:
        user_failures += 1
    # An update ended it: that is no failure, and nothing has to be waited for.
    delay_ms = 0 if is_updated else _delay_ms(job.spec.retry, user_failures, system_failures, is_system=is_system)
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
            system_failures_in_a_row=system_failures,
            user_failures_in_a_row=user_failures,
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


def _delay_ms(retry: RetryPolicy, user: int, system: int, *, is_system: bool) -> int:
    """How long a replacement waits: Titus' max(policy, system retryer), at least a second."""
    system_ms = min(RETRY_DELAY_MS_MIN << min(max(system - 1, 0), 20), SYSTEM_RETRY_DELAY_MS_MAX)
    if is_system:
        return system_ms
    policy_ms = min(retry.delay_ms << min(max(user - 1, 0), 20), retry.delay_ms_max)
    return max(policy_ms, RETRY_DELAY_MS_MIN)
