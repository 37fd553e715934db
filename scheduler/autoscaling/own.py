"""What the cell itself knows of a job and a policy may follow: its waiting and started tasks.

The one thing to know: these need no source, and are never silent. They are true at the tick that
looks, like everything else that the fold decides by.
"""

from scheduler.model.ids import JobId
from scheduler.model.task import Queued, Started
from scheduler.state import State


def own_value_milli(state: State, job_id: JobId, name: str) -> int:
    """The value of a metric of `OWN_METRICS` now, in thousandths."""
    match name:
        case "waitingTasks":
            return 1_000 * len(state.queue.get(job_id, ()))
        case "desiredTasks":
            return 1_000 * state.jobs[job_id].spec.desired
        case "oldestWaitingSec":
            return _oldest_wait_ms(state, job_id)
        case _:
            there = state.indexes.get(job_id, {}).values()
            return 1_000 * sum(isinstance(state.tasks[each].state, Started) for each in there)


def _oldest_wait_ms(state: State, job_id: JobId) -> int:
    """Milliseconds are thousandths of seconds; a task that rests after a failure counts as well."""
    states = [state.tasks[each].state for each in state.queue.get(job_id, ())]
    since = [each.since_ms for each in states if isinstance(each, Queued)]
    return max(0, state.clock.now_ms - min(since)) if since else 0
