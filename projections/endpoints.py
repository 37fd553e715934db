"""Where services can be reached: addresses and ports of their started tasks, and who sends there.

The one thing to know: a task is here while it is Started and its address is known, and at no other
time. Whoever registers tasks anywhere compares this with what he registered (`streams.registrar`).
"""

from collections.abc import Iterable
from typing import Any, Final

from projections.cell_view import CellView
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec, Service
from scheduler.model.task import Started, Task
from scheduler.state import Job, State

SERVICE_ATTRIBUTE: Final = "flumina.discovery.service"
"""Under which name a job's tasks are found; without it its application's name."""
PORT_ATTRIBUTE: Final = "flumina.discovery.port"
"""The port on which a task's container listens at an address of its own."""
PORT_MAX: Final = 65_535

Json = dict[str, Any]


def load_balancers(view: CellView, job_id: JobId | None = None) -> list[Json]:
    """The load balancers of all jobs that have any, or of one that may have none."""
    known = view.state.load_balancers
    names = sorted(known) if job_id is None else [job_id]
    return [
        {"jobId": name, "loadBalancers": [{"id": each} for each in known.get(name, ())]}
        for name in names
    ]


def endpoints(view: CellView, *, is_discovery: bool, is_current: bool) -> Json:
    """The endpoints of jobs with load balancers, or with ``is_discovery`` of all services."""
    state = view.state
    jobs = _services(state) if is_discovery else (state.jobs[each] for each in state.load_balancers)
    return {
        "cell": state.cell,
        "cellUuid": state.cell_uuid,
        "generation": state.generation,
        "offset": state.next_offset - 1,
        "isCurrent": is_current,
        "items": [each for job in jobs for each in _of_job(state, job)],
    }


def _services(state: State) -> Iterable[Job]:
    for job in state.jobs.values():
        if job.state != "Finished" and isinstance(job.spec.kind, Service):
            yield job


def _of_job(state: State, job: Job) -> Iterable[Json]:
    balancers = state.load_balancers.get(job.job_id, ())
    for task_id in state.indexes[job.job_id].values():
        task = state.tasks[task_id]
        if isinstance(task.state, Started) and task.state.place.address:
            yield _endpoint(job.spec, task, task.state, balancers)


def _endpoint(spec: JobSpec, task: Task, started: Started, balancers: tuple[str, ...]) -> Json:
    attributes = dict(spec.attributes)
    fixed = attributes.get(PORT_ATTRIBUTE, "")
    is_fixed = fixed.isdecimal() and len(fixed) <= 5 and 0 < int(fixed) <= PORT_MAX
    image = spec.container
    return {
        "taskId": task.task_id,
        "jobId": task.job_id,
        "service": attributes.get(SERVICE_ATTRIBUTE) or spec.application_name,
        "address": started.place.address,
        "ports": [int(fixed)] if is_fixed else list(started.place.ports),
        "version": image.image_tag or image.image_digest,
        "specVersion": task.spec_version,
        "isHealthy": started.is_healthy,
        "loadBalancers": list(balancers),
        "healthProviders": list(spec.budget.health) if spec.budget else [],
    }
