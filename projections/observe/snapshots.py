"""What a stream begins with: everything that is there now, one event for each.

The one thing to know: first come names, then what they name, piece by piece, so that a large cell
does not keep its process busy for seconds. What changes meanwhile is told by the stream behind it.
"""

from collections.abc import Callable, Iterable, Iterator

from projections import disruption
from projections.cell_view import CellView
from projections.members import known_leaders
from projections.observe import observer
from projections.observe.names import Stream
from projections.observe.ring import Told
from projections.observe.wanted import shows_ended
from projections.v3_agents import groups_json, instance_json
from projections.v3_query import Query
from scheduler.model.ids import HostId, JobId, TaskId

Piece = Callable[[CellView], Told | None]
"""Makes one event of a snapshot when it is asked to, or None of what is gone."""


def pieces(view: CellView, stream: Stream, query: Query) -> list[Piece]:
    """The events of a stream's snapshot, to be made one after the other; names are as of now."""
    match stream:
        case "jobs":
            return [*_jobs(view, query), *_tasks(view, query)]
        case "agents":
            return [*_groups(view), *_instances(view)]
        case "eviction":
            return [observer.quota_told]
        case "relocation":
            return [_plan(task_id) for task_id in view.state.plans]
        case "scheduler":
            return [_refusal(job_id) for job_id in view.state.told]
        case "membership":
            return [_member(number) for number in range(len(known_leaders(view)))]


def _jobs(view: CellView, query: Query) -> Iterator[Piece]:
    jobs = view.timeline.histories.jobs
    is_ended_shown = shows_ended(query, is_task=False)
    for job_id in _some(jobs, query.job_ids):
        job = view.job(JobId(job_id))
        if job is not None and (is_ended_shown or job.state != "Finished"):
            yield _job(job.job_id)


def _tasks(view: CellView, query: Query) -> Iterator[Piece]:
    histories = view.timeline.histories
    is_ended_shown = shows_ended(query, is_task=True)
    if query.job_ids and not query.task_ids:
        named: Iterable[str] = [
            task_id
            for job_id in query.job_ids
            if (job := histories.jobs.get(JobId(job_id))) is not None
            for task_id in job.task_ids
        ]
    else:
        named = _some(histories.tasks, query.task_ids)
    for name in named:
        history = histories.tasks[TaskId(name)]
        if is_ended_shown or history.state != "Finished":
            yield _task(history.task_id)


def _some(known: Iterable[str], wanted: frozenset[str]) -> list[str]:
    """All names, or those of them that are wanted, in the order of creation."""
    return [each for each in known if not wanted or each in wanted]


def _job(job_id: JobId) -> Piece:
    return lambda view: observer.job_told(view, job_id)


def _task(task_id: TaskId) -> Piece:
    return lambda view: observer.task_told(view, task_id)


def _groups(view: CellView) -> Iterator[Piece]:
    for group in groups_json(view):
        said = {"instanceGroup": group}
        yield _made(observer.event("InstanceGroupUpdate", said, about=group["id"]))


def _made(told: Told) -> Piece:
    return lambda _: told


def _instances(view: CellView) -> Iterator[Piece]:
    for host_id in sorted(view.state.hosts):
        yield _instance(host_id)


def _instance(host_id: HostId) -> Piece:
    def made(view: CellView) -> Told | None:
        shown = instance_json(view, host_id)
        said = {"instance": shown}
        return observer.event("AgentInstanceUpdate", said, about=host_id) if shown else None

    return made


def _plan(task_id: TaskId) -> Piece:
    def made(view: CellView) -> Told | None:
        plan = disruption.plan_of(view, task_id)
        if plan is None:
            return None
        job_id = str(plan["flumina.jobId"])
        said = {"plan": plan}
        return observer.event("TaskRelocationPlanUpdate", said, job_id=job_id, task_id=task_id)

    return made


def _refusal(job_id: JobId) -> Piece:
    def made(view: CellView) -> Told | None:
        history = view.job_history(job_id)
        run = history.refusals[-1] if history and history.refusals else None
        if run is None or job_id not in view.state.told:
            return None
        return observer.refusal_told(view, (run.offsets[-1], run.indexes[-1]), run.refusal)

    return made


def _member(number: int) -> Piece:
    def made(view: CellView) -> Told | None:
        known = known_leaders(view)
        return observer.member_told(view, known[number]) if number < len(known) else None

    return made
