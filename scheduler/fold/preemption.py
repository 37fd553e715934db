"""Tasks that are ended so that guaranteed work of others can have their room.

The one thing to know: the budgets are asked here, at the proposal's own place in the log. Whatever
`decide` believes, no more tasks an hour are ended for others than the policy allows, in the cell
and of one job.
"""

from scheduler.disruption.quotas import Quotas
from scheduler.fold.context import Fold, moved_task
from scheduler.fold.evictions import count_eviction
from scheduler.model.changes import ProposalRefused
from scheduler.model.ids import JobId
from scheduler.model.manner import manner_of
from scheduler.model.proposals import PreemptTask
from scheduler.model.task import Launched, Started, StartInitiated, Task
from scheduler.state import State
from scheduler.task_table import Given, Input
from scheduler.versions import spec_of

PREEMPTION_WINDOW_MS = 3_600_000


def preempted(fold: Fold, proposal: PreemptTask) -> None:
    """Let the task be ended, or refuse with the reason; a refused one leaves nothing behind."""
    why = _refusal(fold.state, proposal)
    if why:
        kind = type(proposal).__name__
        fold.report(ProposalRefused(proposal_id=fold.proposal_id, kind=kind, why=why))
        fold.wake_placement()
        return
    state = fold.state
    now_ms = state.clock.now_ms
    job_id = state.tasks[proposal.task_id].job_id
    if not _is_lent(state, state.tasks[proposal.task_id]):
        _count(state, job_id)
        count_eviction(fold, job_id)
    message = f"placement: for job {proposal.for_job}: {proposal.why}"
    given = Given(now_ms, reason="evicted", message=message)
    moved_task(fold, proposal.task_id, Input.KILL_ASKED, given)


def _is_lent(state: State, task: Task) -> bool:
    """Whether the task runs on what is lent to it: that is given back at once, whoever asks."""
    spec = spec_of(state.jobs[task.job_id], task)
    return manner_of(spec.attributes, is_lenient=True).is_opportunistic


def _count(state: State, job_id: JobId) -> None:
    now_ms = state.clock.now_ms
    kept = [each for each in state.clock.preemptions if each[0] > now_ms - PREEMPTION_WINDOW_MS]
    state.clock.preemptions = [*kept, (now_ms, job_id)]


def preemptions_left(state: State) -> int:
    """How many more tasks of the cell may be ended for others now; none while it is safe."""
    if state.safe is not None:
        return 0
    most = state.policy.placement.guards.preemptions_per_hour
    return max(0, most - len(recent_preemptions(state)))


def preemptions_left_of(state: State, job_id: JobId) -> int:
    """How many more tasks of this job may be ended for others now."""
    used = sum(victim == job_id for _, victim in recent_preemptions(state))
    return max(0, state.policy.placement.guards.preemptions_per_job_per_hour - used)


def recent_preemptions(state: State) -> list[tuple[int, JobId]]:
    """When tasks of which jobs were ended for others, within the last hour."""
    since_ms = state.clock.now_ms - PREEMPTION_WINDOW_MS
    return [each for each in state.clock.preemptions if each[0] > since_ms]


def _refusal(state: State, proposal: PreemptTask) -> str:
    task = state.tasks.get(proposal.task_id)
    if task is None or not isinstance(task.state, Launched | StartInitiated | Started):
        return f"task {proposal.task_id} does not run, or is being ended"
    if task.state.place.host_id != proposal.host_id:
        return f"task {proposal.task_id} is on host {task.state.place.host_id}"
    if proposal.for_job not in state.queue:
        return f"no task of job {proposal.for_job} waits for a host"
    if task.job_id == proposal.for_job:
        return "a job does not end its own tasks"
    if _is_lent(state, task):
        return ""
    if not preemptions_left(state):
        most = state.policy.placement.guards.preemptions_per_hour
        return f"the budget of {most} preemptions an hour is used up"
    if not preemptions_left_of(state, task.job_id):
        most = state.policy.placement.guards.preemptions_per_job_per_hour
        return f"job {task.job_id} has lost {most} tasks to others within an hour"
    quota = Quotas(state).for_others(task)
    return "" if quota.count else f"its job's disruption budget: {quota.message}"
