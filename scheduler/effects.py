"""An accepted decision, made complete: what a connector needs to carry it out.

The one thing to know: this reads the state at the place where `EffectStarted` was accepted and
adds nothing of its own. It is pure, so what was sent can be shown again from the log.
"""

from typing import assert_never

from msgspec.structs import replace

from scheduler.model import mounts
from scheduler.model.effects import (
    AcceptOffers,
    AnswerInverseOffers,
    AskAll,
    AskState,
    Effect,
    KillOnHost,
    Revive,
    Suppress,
    TaskToRun,
)
from scheduler.model.effects import DeclineOffers as DeclineEffect
from scheduler.model.ids import HostId, TaskId, worker_name_of
from scheduler.model.job import Stream
from scheduler.model.proposals import (
    AcceptInverseOffers,
    DeclineInverseOffers,
    DeclineOffers,
    KillTask,
    Launch,
    LaunchTasks,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.provenance import provenance_of, variables_of
from scheduler.model.task import Task, place_of
from scheduler.state import Decision, Job, State
from scheduler.versions import container_of, spec_of
from scheduler.volumes.mounted import address_of, mounted_of

LAUNCH_REFUSE_MS = 0
"""The unused rest of an accepted offer should come back with the next allocation."""


def effect_of(state: State, decision: Decision) -> Effect:
    """The effect that carries out this decision, by the state as it is now."""
    proposal, proposal_id = decision.proposal, decision.proposal_id
    match proposal:
        case LaunchTasks():
            return AcceptOffers(
                proposal_id=proposal_id,
                host_id=proposal.host_id,
                offer_ids=proposal.offer_ids,
                tasks=tuple(
                    _task_to_run(state, proposal.host_id, launch) for launch in proposal.launches
                ),
                refuse_ms=LAUNCH_REFUSE_MS,
            )
        case DeclineOffers():
            return DeclineEffect(proposal_id, proposal.offer_ids, proposal.refuse_ms)
        case AcceptInverseOffers() | DeclineInverseOffers():
            return AnswerInverseOffers(
                proposal_id,
                proposal.offer_ids,
                is_accepted=isinstance(proposal, AcceptInverseOffers),
                refuse_ms=proposal.refuse_ms,
            )
        case KillTask():
            grace_ms = _kill_grace_ms(state, proposal.task_id)
            return KillOnHost(proposal_id, proposal.task_id, proposal.host_id, grace_ms)
        case ReconcileTasks():
            asked = tuple((task_id, _host_of(state, task_id)) for task_id in proposal.task_ids)
            return AskState(proposal_id, asked)
        case ReconcileAll():
            return AskAll(proposal_id)
        case SuppressOffers():
            return Suppress(proposal_id)
        case ReviveOffers():
            return Revive(proposal_id)
        case _:
            assert_never(proposal)


def _task_to_run(state: State, host_id: HostId, launch: Launch) -> TaskToRun:
    task = state.tasks[launch.task_id]
    job = state.jobs[task.job_id]
    spec = spec_of(job, task)
    container = spec.container
    need = container.need
    if need.network_mbps and host_id not in state.network_hosts:
        need = replace(need, network_mbps=0)  # Mesos refuses what the host does not have.
    provenance = provenance_of(spec)
    mounted = mounted_of(state, spec, task) if spec.volumes else ()
    address = address_of(spec, task) if spec.addresses else None
    return TaskToRun(
        task_id=task.task_id,
        job_id=task.job_id,
        index=task.index,
        need=need,
        ports=launch.ports,
        command=container.command,
        environment=(
            *container.environment,
            *_environment(state, task, launch.ports),
            *_worker_environment(job, task),
            *variables_of(provenance),
            *mounts.variables(mounted, address),
        ),
        labels=(
            ("flumina.cell", state.cell),
            ("flumina.job", task.job_id),
            ("flumina.index", str(task.index)),
            *((("flumina.image", image),) if (image := container.full_image) else ()),
            *provenance,
            *mounts.labels(spec, mounted, address),
        ),
        kill_grace_ms=container.kill_grace_ms,
        container=container,
        application=spec.application_name,
        interface=launch.interface,
        gpus=launch.gpus,
        volumes=mounted,
        address=address,
    )


def _environment(state: State, task: Task, ports: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """What every task is told of itself; the first two names are Titus' own."""
    return (
        ("TITUS_JOB_ID", task.job_id),
        ("TITUS_TASK_ID", task.task_id),
        ("FLUMINA_CELL", state.cell),
        ("FLUMINA_TASK_INDEX", str(task.index)),
        *((f"PORT{number}", str(port)) for number, port in enumerate(ports)),
    )


def _worker_environment(job: Job, task: Task) -> tuple[tuple[str, str], ...]:
    """What a worker of a stream is told of itself and the others: names that stay."""
    kind = job.spec.kind
    if not isinstance(kind, Stream):
        return ()
    names = ",".join(worker_name_of(job.job_id, index) for index in range(kind.workers))
    return (
        ("FLUMINA_WORKER_NAME", worker_name_of(job.job_id, task.index)),
        ("FLUMINA_WORKER_NAMES", names),
        ("FLUMINA_WORKERS", str(kind.workers)),
    )


def _kill_grace_ms(state: State, task_id: TaskId) -> int:
    task = state.tasks.get(task_id)  # It may have ended and been forgotten just now.
    return container_of(state, task).kill_grace_ms if task and task.job_id in state.jobs else 0


def _host_of(state: State, task_id: TaskId) -> HostId | None:
    task = state.tasks.get(task_id)
    place = place_of(task.state) if task else None
    return place.host_id if place else None
