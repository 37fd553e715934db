"""What the passing of time does: elections, ticks, deadlines.

The one thing to know: nothing times out between an election (or a jump of the clock) and the next
tick, and then every time-out that judges starts anew. Ten minutes away must not end a task.
"""

from collections.abc import Callable, Mapping
from heapq import heappop
from typing import Final

from scheduler.fold.autoscaling import DEADLINE as SCALING
from scheduler.fold.autoscaling import look, scale_jobs
from scheduler.fold.context import Fold, rested
from scheduler.fold.crash_loops import DEADLINE as LOOP
from scheduler.fold.crash_loops import loop_due
from scheduler.fold.cron import cron_due
from scheduler.fold.fleet_looks import look_at_fleet
from scheduler.fold.fleet_orders import drop_orders
from scheduler.fold.forgetting import collect
from scheduler.fold.guards import recovered, time_passed
from scheduler.fold.healing import look_at_healing, orders_lost
from scheduler.fold.health import DEADLINE as HEALTH
from scheduler.fold.health import look_at_trials
from scheduler.fold.health_tasks import health_due
from scheduler.fold.kills import look_at_budgets
from scheduler.fold.maintenance import look_at_maintenance
from scheduler.fold.mesos import close_stream
from scheduler.fold.network import look_at_network
from scheduler.fold.relocation import relocate
from scheduler.fold.safe import look_at_finding
from scheduler.fold.sla import COMPLETION, START, sla_due, sla_start_due
from scheduler.fold.storage import DEADLINE as VOLUME
from scheduler.fold.streams import look_at_streams
from scheduler.fold.timeouts import task_due
from scheduler.fold.update_steps import look_at_updates
from scheduler.fold.volumes import volume_due
from scheduler.model.autoscaling import PolicyId
from scheduler.model.changes import TimeGapped
from scheduler.model.events import LeaderElected, Tick
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.task import Queued
from scheduler.model.volumes import VolumeId

TIME_GAP_MS = 60_000
"""A larger jump of the leader's clock is a gap in which nobody looked."""


def clock_moved(fold: Fold, at_ms: int) -> None:
    """Take over a record's time; the fold's clock never runs backwards."""
    clock = fold.state.clock
    if at_ms <= clock.now_ms:
        return
    if clock.now_ms and at_ms - clock.now_ms > TIME_GAP_MS:
        clock.is_judging = False
        fold.report(TimeGapped(from_ms=clock.now_ms, to_ms=at_ms))
    clock.now_ms = at_ms


def leader_elected(fold: Fold, event: LeaderElected) -> None:
    """Begin an epoch: unsent launches go back to the queue, the old leader's stream is over."""
    state = fold.state
    state.epoch = fold.offset
    state.leader = event.candidate
    state.clock.is_judging = False
    close_stream(fold)
    drop_orders(fold)
    orders_lost(fold)


def ticked(fold: Fold, event: Tick) -> None:
    """Let time-outs that are due take effect; the first tick only starts them anew."""
    state = fold.state
    clock = state.clock
    state.published_offset = max(state.published_offset, event.published_offset)
    if not clock.is_judging:
        clock.is_judging = True
        clock.judging_since_ms = clock.now_ms
        fold.wake_placement()
        return
    deadlines, looked_at_ms, fold.cut_zones = fold.deadlines, fold.looked_at_ms, None
    asking: dict[JobId, None] = {}
    while deadlines and deadlines[0][0] <= clock.now_ms:
        noted_ms, kind, name = heappop(deadlines)
        if kind == SCALING:  # The only one that others wait for.
            look(fold, PolicyId(name), noted_ms, asking)
        elif kind != "task":
            _DUE[kind](fold, name, noted_ms)
        elif looked_at_ms.get(TaskId(name)) == noted_ms:  # Else an earlier entry came before it.
            del looked_at_ms[TaskId(name)]
            task_due(fold, TaskId(name), noted_ms)
        else:
            fold.stale -= 1
    scale_jobs(fold, asking)
    look_at_finding(fold)
    look_at_budgets(fold)
    look_at_streams(fold)
    look_at_updates(fold)
    time_passed(fold)
    if state.on_trial:
        look_at_trials(fold)
    if state.runbooks or state.healing_runs:
        look_at_healing(fold)
    look_at_fleet(fold)
    if state.instance_networks:
        look_at_network(fold)
    if state.maintenance:
        look_at_maintenance(fold)
    relocate(fold)
    collect(fold)
    _note_idleness(fold)


def _ready(fold: Fold, task_id: TaskId) -> None:
    task = fold.state.tasks.get(task_id)
    if task is not None and isinstance(task.state, Queued):
        rested(fold, task.job_id, task_id)
        fold.wake_placement()


_DUE: Final[Mapping[str, Callable[[Fold, str, int], None]]] = {
    "cron": lambda fold, name, _: cron_due(fold, JobId(name)),
    "host": lambda fold, name, noted_ms: recovered(fold, HostId(name), noted_ms),
    "ready": lambda fold, name, _: _ready(fold, TaskId(name)),
    HEALTH: lambda fold, name, noted_ms: health_due(fold, HostId(name), noted_ms),
    COMPLETION: lambda fold, name, _: sla_due(fold, JobId(name)),
    LOOP: lambda fold, name, noted_ms: loop_due(fold, JobId(name), noted_ms),
    START: lambda fold, name, _: sla_start_due(fold, TaskId(name)),
    VOLUME: lambda fold, name, _: volume_due(fold, VolumeId(name)),
}
"""What is done about each kind of deadline, by the name that it was noted for and its time; a
task's own, which is most of them, and a scaling policy's stand in `ticked`."""


def _note_idleness(fold: Fold) -> None:
    stream = fold.state.stream
    is_idle = not fold.state.queue
    if is_idle and not stream.idle_since_ms:
        stream.idle_since_ms = fold.state.clock.now_ms
    elif not is_idle and stream.idle_since_ms:
        stream.idle_since_ms = 0
