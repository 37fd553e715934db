"""What the fold forgets: ended tasks and jobs, the oldest beyond a number, and all beyond an age.

The one thing to know: the log still has them; only the state is kept small, and it is the log's
own events and clock that say what goes, so every fold forgets the same. Numbers of forgotten jobs
are never used again for a job of the same name.
"""

from scheduler.fold.context import Fold
from scheduler.fold.jobs import name_class
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Finished, Task


def keep_finished(fold: Fold, task: Task) -> None:
    """Keep an ended task that is its index's no more, and drop the oldest beyond its job's share.

    The one that ends right now stays in any case: others still have to look at it.
    """
    state = fold.state
    state.finished_tasks[task.task_id] = None
    of_job = state.finished_of_jobs.setdefault(task.job_id, {})
    of_job[task.task_id] = None
    while len(of_job) > state.policy.finished_tasks_per_job_max:
        _forget_finished(fold, next(iter(of_job)))


def forget_oldest(fold: Fold) -> None:
    """Drop the oldest ended tasks and jobs beyond the policy.

    Called between events: within one, who ended a task may still have to look at its job.
    """
    state = fold.state
    policy, jobs, tasks = state.policy, state.finished_jobs, state.finished_tasks
    while len(jobs) > policy.finished_jobs_max:
        _forget_job(fold, next(iter(jobs)))
    while len(tasks) + state.tasks_of_finished_jobs > policy.finished_tasks_max:
        if state.finished_tasks:
            _forget_finished(fold, next(iter(state.finished_tasks)))
        else:
            _forget_job(fold, next(iter(state.finished_jobs)))


def collect(fold: Fold) -> None:
    """At times, drop what ended too long ago; so much at once, and the rest at the next time."""
    state = fold.state
    now_ms, policy = state.clock.now_ms, state.policy
    if now_ms < state.clock.collected_at_ms + policy.collect_every_ms:
        return
    state.clock.collected_at_ms = now_ms
    ended_ms, left = now_ms - policy.finished_keep_ms, policy.collected_per_pass_max
    while left > 0 and state.finished_jobs:
        job_id = next(iter(state.finished_jobs))
        if state.jobs[job_id].finished_at_ms > ended_ms:
            break
        left -= 1 + len(state.indexes[job_id])
        _forget_job(fold, job_id)
    while left > 0 and state.finished_tasks:
        task_id = next(iter(state.finished_tasks))
        ended = state.tasks[task_id].state
        assert isinstance(ended, Finished)
        if ended.since_ms > ended_ms:
            break
        left -= 1
        _forget_finished(fold, task_id)


def _forget_job(fold: Fold, job_id: JobId) -> None:
    state = fold.state
    del state.finished_jobs[job_id]
    if not state.is_planned:
        state.jobs_changed.pop(job_id, None)
    floor = state.jobs.pop(job_id).next_number
    state.moving_jobs.pop(job_id, None)
    names = name_class(job_id)
    state.number_floors[names] = max(floor, state.number_floors.get(names, 1))
    fold.touch("job", job_id)
    for index, task_id in state.indexes.pop(job_id).items():
        fold.touch("index", (job_id, index))
        _forget_task(fold, task_id)
        state.tasks_of_finished_jobs -= 1


def _forget_finished(fold: Fold, task_id: TaskId) -> None:
    state = fold.state
    del state.finished_tasks[task_id]
    job_id = state.tasks[task_id].job_id
    of_job = state.finished_of_jobs[job_id]
    del of_job[task_id]
    if not of_job:
        del state.finished_of_jobs[job_id]
    _forget_task(fold, task_id)


def _forget_task(fold: Fold, task_id: TaskId) -> None:
    del fold.state.tasks[task_id]
    fold.state.killing.pop(task_id, None)
    fold.state.unanswered.pop(task_id, None)
    fold.state.moving_tasks.pop(task_id, None)
    fold.touch("task", task_id)
