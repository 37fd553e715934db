"""Whether a launch may happen: all that it takes and all that its jobs demand, looked at again.

The one thing to know: a round works on copies and may err; what stands here does not. A proposal is
looked at where it stands in the log, against the state at that place, task by task and as a whole:
tasks of one proposal count for each other.

Balance over zones is the one demand that is not counted again: proposals come host by host, and the
first of them is out of balance until the others have followed. A host without a zone is refused.
"""

from collections import Counter

from scheduler.fold import guards
from scheduler.fold.amounts import amounts_refusal, less
from scheduler.fold.site import Site
from scheduler.fold.storage import storage_refusal
from scheduler.model.ids import HostId, JobId
from scheduler.model.job import Container
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Resources, added
from scheduler.model.task import Queued, Task
from scheduler.state import State
from scheduler.versions import is_mixed, spec_of


def launch_refusal(state: State, proposal: LaunchTasks) -> str:
    """Why these tasks may not all be launched on the offers named, in words; or empty."""
    free: Resources | None = None
    for offer_id in proposal.offer_ids:
        held = state.offers[offer_id]
        if held.host_id != proposal.host_id:
            return f"offer {offer_id} is not of host {proposal.host_id}"
        free = held.resources if free is None else added(free, held.resources)
    assert free is not None, "without an offer it was refused before"
    why = guards.host_refusal(state, proposal.host_id, len(proposal.launches))
    if why:
        return why
    jobs: list[JobId] = []
    """Of the tasks that were found good so far; until one asks for more, there is no site."""
    site: Site | None = None
    is_simple = _takes_simple_jobs(state, proposal.host_id)
    seen: set[str] = set()
    """Tasks that were found good so far, and keys of what belongs to their indexes."""
    for launch in proposal.launches:
        task_id = launch.task_id
        task = state.tasks.get(task_id)
        if task is None or type(task.state) is not Queued:
            return f"task {task_id} does not wait for a host"
        why = _task_refusal(state, task, task.state, seen)
        if why:
            return why
        seen.add(task_id)
        job = state.jobs[task.job_id]
        if job.spec.volumes or job.spec.addresses:
            why = storage_refusal(state, task, seen)
            if why:
                return why
        container = spec_of(job, task).container if is_mixed(job) else job.spec.container
        if site is None and is_simple and _is_simple(container, launch):
            why = amounts_refusal(state, proposal.host_id, free, container.need, launch)
            free = less(free, container.need, launch.ports)
        else:
            if site is None:
                site = Site(state, proposal.host_id, free, jobs)
            why = site.take(launch, task)
        if why:
            return why
        jobs.append(task.job_id)
    return _rate_refusal(state, jobs) if jobs else "nothing to launch"


def _task_refusal(state: State, task: Task, waiting: Queued, seen: set[str]) -> str:
    """Why this task may not be launched now, wherever; or empty."""
    task_id = task.task_id
    if task_id in seen:
        return f"task {task_id} is named twice"
    if waiting.ready_at_ms > state.clock.now_ms:
        return f"task {task_id} waits for its retry"
    if state.held and task_id in state.held.get(task.job_id, ()):
        return f"task {task_id} waits until fewer tasks of its job have yet to start"
    return ""


def _takes_simple_jobs(state: State, host_id: HostId) -> bool:
    """Whether a job without demands of its own may go to this host, as far as it has room.

    Nearly always so: then the long way through `Site` is taken by few.
    """
    rules = state.policy.placement
    if rules.selectors or rules.lost_zones or state.exclusive_jobs or not rules.gpu_hosts_take_all:
        return False
    if rules.instance_groups and any(each.tier for each in rules.instance_groups):
        return False
    facts = state.hosts.get(host_id)
    if facts is not None:
        for name, _ in facts.attributes:
            if name == rules.taints_attribute:
                return False
    return True


def _is_simple(container: Container, launch: Launch) -> bool:
    """Whether a task asks for amounts and ports only."""
    need = container.need
    return not (
        container.hard_constraints
        or need.gpus
        or need.gpu_milli
        or need.addresses
        or launch.gpus
        or launch.interface >= 0
    )


def _rate_refusal(state: State, jobs: list[JobId]) -> str:
    """Whether more tasks of a job would be launched than may be in a minute; or empty."""
    if not state.policy.placement.guards.launches_per_job_per_minute:
        return ""
    for job_id, count in Counter(jobs).items():
        left = guards.launches_left_of_job(state, job_id)
        if left is not None and count > left:
            return f"job {job_id} may have {left} more tasks launched in this minute"
    return ""
