"""A recorded day as a trace: the jobs, hosts and running times that a cell's log tells of.

The one thing to know: a task arrives when it began to wait, and runs for as long as it ran then;
one that never ended stays. Hosts are there from the beginning with all that they ever had: what
came and went of them is left out, so two policies are compared on the same hosts.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from scheduler.machine import Machine
from scheduler.model.changes import Change, TaskChanged
from scheduler.model.events import CellRecord, Copied
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import OffersChanged
from scheduler.model.job import JobSpec
from scheduler.model.rules import PlacementRules
from scheduler.placement.host import HostView
from scheduler.placement.request import Request
from scheduler.placement.requests_of_jobs import request_of
from scheduler.rounds.host_views import host_view

from .trace import Trace, TraceTask


class _Life(msgspec.Struct):
    """What became of a task: when it waited, was launched, ran and ended."""

    job_id: JobId
    ready_ms: int
    launched_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None


class RecordedWaits(msgspec.Struct, frozen=True, rename="camel"):
    """How long tasks waited for a host in the record itself, in milliseconds."""

    launched: int
    median_ms: int
    p99_ms: int
    most_ms: int
    hosts_used: int


class RecordedDay:
    """Gathers a trace while a machine folds the log."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lives: dict[TaskId, _Life] = {}
        self._specs: dict[JobId, JobSpec] = {}
        self._hosts: dict[HostId, HostView] = {}
        self._used: dict[HostId, None] = {}
        self._began_ms = machine.state.clock.now_ms
        for task_id, task in machine.state.tasks.items():
            if task_id in machine.state.queue.get(task.job_id, {}):
                self._begin(task_id, task.job_id, self._began_ms)
        for host_id in [*machine.state.host_offers, *machine.state.host_tasks]:
            self._look_at_host(host_id)

    def take(self, record: CellRecord, changes: Sequence[tuple[int, Change]]) -> None:
        """Take what one record changed; call it behind each `Machine.apply`."""
        now_ms = self._machine.state.clock.now_ms
        if not self._began_ms:
            self._began_ms = now_ms
        for event in record.events:
            if isinstance(event, Copied) and isinstance(event.body, OffersChanged):
                for offer in event.body.added:
                    self._look_at_host(offer.host_id)
        for _, change in changes:
            if isinstance(change, TaskChanged):
                self._task_changed(change, now_ms)

    def _look_at_host(self, host_id: HostId) -> None:
        view = host_view(self._machine.state, host_id)
        known = self._hosts.get(host_id)
        if view is not None and (known is None or _is_more(view, known)):
            self._hosts[host_id] = view

    def _task_changed(self, change: TaskChanged, now_ms: int) -> None:
        if change.step == "queued":
            task = self._machine.state.tasks.get(change.task_id)
            ready_ms = getattr(task.state, "ready_at_ms", 0) if task else 0
            self._begin(change.task_id, change.job_id, max(now_ms, ready_ms))
            return
        life = self._lives.get(change.task_id)
        if life is None:
            return
        if change.host_id is not None and life.launched_ms is None:
            life.launched_ms = now_ms
            self._used[change.host_id] = None
        if change.state == "Started" and life.started_ms is None:
            life.started_ms = now_ms
        if change.state == "Finished":
            life.ended_ms = now_ms

    def _begin(self, task_id: TaskId, job_id: JobId, ready_ms: int) -> None:
        job = self._machine.state.jobs.get(job_id)
        if job is None:
            return
        self._specs[job_id] = job.spec
        self._lives[task_id] = _Life(job_id, ready_ms)

    def trace(self, rules: PlacementRules) -> Trace:
        """The day as a trace, its tasks' tiers and constraints as these rules say."""
        requests = {job_id: request_of(job_id, each, rules) for job_id, each in self._specs.items()}
        hosts = [_empty(view) for _, view in sorted(self._hosts.items())]
        tasks = [
            self._task(task_id, life, requests[life.job_id])
            for task_id, life in self._lives.items()
        ]
        tasks.sort(key=lambda each: each.arrive_ms)
        return Trace(hosts=hosts, tasks=tasks, has_times=True)

    def _task(self, task_id: TaskId, life: _Life, request: Request) -> TraceTask:
        arrive_ms = max(0, life.ready_ms - self._began_ms)
        begun_ms = life.started_ms or life.launched_ms
        end_ms = None
        if life.ended_ms is not None and begun_ms is not None:
            end_ms = arrive_ms + max(1, life.ended_ms - begun_ms)
        elif life.ended_ms is not None:
            end_ms = arrive_ms + 1  # It ended while it waited: it takes no room for long.
        return TraceTask(task_id, request, arrive_ms, end_ms)

    def waits(self) -> RecordedWaits:
        """The waits of the record itself, to stand beside those of a simulation."""
        waits = sorted(
            max(0, life.launched_ms - life.ready_ms)
            for life in self._lives.values()
            if life.launched_ms is not None
        )
        if not waits:
            return RecordedWaits(0, 0, 0, 0, 0)
        return RecordedWaits(
            launched=len(waits),
            median_ms=waits[len(waits) // 2],
            p99_ms=waits[99 * len(waits) // 100],
            most_ms=waits[-1],
            hosts_used=len(self._used),
        )


def _is_more(view: HostView, known: HostView) -> bool:
    """Whether the host has more than was known, or other attributes."""
    ours, theirs = view.total, known.total
    return (
        view.attributes != known.attributes
        or ours.cpu_milli > theirs.cpu_milli
        or ours.memory_mib > theirs.memory_mib
    )


def _empty(view: HostView) -> HostView:
    """The host without tasks, all of it on offer."""
    return HostView(
        host_id=view.host_id,
        free=replace(view.total, ports=view.free.ports),  # Ports are in no total.
        total=view.total,
        attributes=view.attributes,
        hostname=view.hostname,
        since_ms=0,
        gpu_model=view.gpu_model,
        gpus=view.gpus,
        accounts_network=view.accounts_network,
    )
