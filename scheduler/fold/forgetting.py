"""What the fold forgets: the oldest ended tasks and jobs, beyond what the policy keeps.

The one thing to know: the log still has them; only the state is kept small. Numbers of forgotten
jobs are never used again for a job of the same name.
"""

from scheduler.fold.context import Fold
from scheduler.fold.jobs import name_class
from scheduler.model.ids import JobId, TaskId


def forget_oldest(fold: Fold) -> None:
    """Drop the oldest ended tasks and jobs beyond the policy; the log still has them.

    Called between events: within one, who ended a task may still have to look at its job.
    """
    state = fold.state
    policy = state.policy
    while len(state.finished_jobs) > policy.finished_jobs_max:
        _forget_job(fold, next(iter(state.finished_jobs)))
    while len(state.finished_tasks) + state.tasks_of_finished_jobs > policy.finished_tasks_max:
        if state.finished_tasks:
            task_id = next(iter(state.finished_tasks))
            del state.finished_tasks[task_id]
            _forget_task(fold, task_id)
        else:
            _forget_job(fold, next(iter(state.finished_jobs)))


def _forget_job(fold: Fold, job_id: JobId) -> None:
    state = fold.state
    del state.finished_jobs[job_id]
    if not state.is_planned:
        state.jobs_changed.pop(job_id, None)
    floor = state.jobs.pop(job_id).next_number
    names = name_class(job_id)
    state.number_floors[names] = max(floor, state.number_floors.get(names, 1))
    fold.touch("job", job_id)
    for index, task_id in state.indexes.pop(job_id).items():
        fold.touch("index", (job_id, index))
        _forget_task(fold, task_id)
        state.tasks_of_finished_jobs -= 1


def _forget_task(fold: Fold, task_id: TaskId) -> None:
    del fold.state.tasks[task_id]
    fold.state.killing.pop(task_id, None)
    fold.state.unanswered.pop(task_id, None)
    fold.touch("task", task_id)
